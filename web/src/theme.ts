// The theme: light, dark, or the system's. Stored if the browser has storage for files.

import { byId, icon } from "./dom";
import { recall, remember } from "./memory";

const ORDER = ["auto", "light", "dark"] as const;
type Theme = (typeof ORDER)[number];
const KEY = "turnkeeper-colours";
const SAID: Record<Theme, string> = { auto: "as the system", light: "light", dark: "dark" };

export function theme(changed: () => void): void {
  const button = byId<HTMLButtonElement>("theme");
  let now: Theme = ORDER.find((each) => each === recall(KEY)) ?? "auto";
  const show = () => {
    if (now === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
    button.replaceChildren(icon(now));
    button.setAttribute("aria-label", `Colours: ${SAID[now]}`);
    button.title = `Colours: ${SAID[now]}`;
  };
  show();
  button.addEventListener("click", () => {
    now = ORDER[(ORDER.indexOf(now) + 1) % ORDER.length] ?? "auto";
    remember(KEY, now);
    show();
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
