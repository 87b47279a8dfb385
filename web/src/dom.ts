// Creates elements from text. Nothing on the page parses markup at run time, so text from calls cannot inject any.

type Child = Node | string | null | undefined;

/** An element with properties set and children appended; strings become text. */
export function el<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<Omit<HTMLElementTagNameMap[K], "dataset">> & { data?: Record<string, string>; aria?: Record<string, string> } = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  const { data, aria, ...rest } = properties;
  Object.assign(made, rest);
  for (const [key, value] of Object.entries(data ?? {})) made.dataset[key] = value;
  for (const [key, value] of Object.entries(aria ?? {})) made.setAttribute(`aria-${key}`, value);
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}

/** The element that the page's own markup holds under this id. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** A name from outside, shortened, and isolated from the text direction around it. */
export function bdi(text: string, longest = 80): HTMLElement {
  const shown = clip(text, longest);
  return el("bdi", shown === text ? {} : { title: clip(text, 1000) }, shown);
}

/** A summary with expandable details. */
export function behind([words, detail]: [string, string]): HTMLElement {
  if (!detail) return bdi(words, 300);
  return el("details", { className: "behind" }, el("summary", {}, bdi(words, 300)), el("span", { className: "dim" }, bdi(detail, 600)));
}

export function clip(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

const PATHS: Record<string, string> = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  back: "M12 5V2L7 6l5 4V7a6 6 0 1 1-6 6H4a8 8 0 1 0 8-8z",
  ahead: "M12 5V2l5 4-5 4V7a6 6 0 1 0 6 6h2a8 8 0 1 1-8-8z",
  up: "M12 8l7 7-1.5 1.5L12 11l-5.5 5.5L5 15z",
  down: "M12 16l-7-7 1.5-1.5L12 13l5.5-5.5L19 9z",
  auto: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2v14a7 7 0 0 1 0-14z",
  light: "M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM11 2h2v3h-2zM11 19h2v3h-2zM2 11h3v2H2zM19 11h3v2h-3zM4.2 5.6l1.4-1.4 2.1 2.1-1.4 1.4zM16.3 17.7l1.4-1.4 2.1 2.1-1.4 1.4zM4.2 18.4l2.1-2.1 1.4 1.4-2.1 2.1zM16.3 6.3l2.1-2.1 1.4 1.4-2.1 2.1z",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
};

/** A decorative icon. The control that contains it needs a name of its own. */
export function icon(name: string): SVGSVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("aria-hidden", "true");
  made.classList.add("pictogram");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name] ?? "");
  made.append(path);
  return made;
}

export function announce(text: string): void {
  byId("announce").textContent = text;
}
