// Keyboard shortcuts for everything that the mouse can do.

import { byId, el } from "./dom";
import { recall, remember } from "./memory";

export interface Keys {
  toggle(): void;
  skip(seconds: number): void;
  step(by: 1 | -1): void;
  enter(): void;
  search(): void;
  follow(): void;
  zoom(factor: number): void;
  speed(by: 1 | -1): void;
  edge(end: boolean): void;
}

const HELP: [string, string][] = [
  ["Space", "play or pause"],
  ["← →", "5 seconds back or ahead; with Shift 1 second"],
  ["j k", "next or previous turn (also ↓ ↑ in the list)"],
  ["Enter", "hear the turn from its first sample"],
  ["/", "search; Enter and Shift+Enter go through the matches, Escape leaves it"],
  ["f", "follow what is being said"],
  ["+ − 0", "zoom in, out, whole call"],
  ["< >", "slower or faster"],
  ["Home End", "start or end, on the waveform"],
  ["?", "this help"],
];

const SINGLE = "turnkeeper-keys";

export function keyboard(keys: Keys): void {
  // Speech input can type letters unintentionally, so single-key shortcuts can be switched off (WCAG 2.1.4).
  const single = byId<HTMLInputElement>("single-keys");
  single.checked = recall(SINGLE) !== "off";
  single.addEventListener("change", () => remember(SINGLE, single.checked ? "on" : "off"));
  const help = byId<HTMLDialogElement>("help");
  byId("help-keys").append(
    ...HELP.map(([key, what]) => el("div", {}, el("dt", {}, ...key.split(" ").map((each) => el("kbd", {}, each))), el("dd", {}, what))),
  );
  const explain = () => (help.open ? help.close() : help.showModal());
  byId("help-open").addEventListener("click", explain);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target instanceof HTMLElement ? event.target : document.body;
    if (!single.checked && event.key.length === 1 && event.key !== " ") return;
    if (target.closest("input:not([type=range]), textarea, select, [popover]") || (help.open && event.key !== "?")) return;
    if (pressed(keys, event, target, explain)) event.preventDefault();
  });
}

function pressed(keys: Keys, event: KeyboardEvent, target: HTMLElement, explain: () => void): boolean {
  const listed = target.closest("#transcript") !== null;
  const slider = target.closest("#wave") !== null;
  const ranged = target instanceof HTMLInputElement;
  const turn = target.matches(".when");
  switch (event.key) {
    case " ":
      // Space presses other buttons; on a turn, Enter goes there and Space plays.
      if (target.closest("button, summary, a") && !turn) return false;
      return done(keys.toggle());
    case "ArrowLeft":
    case "ArrowRight":
      if (ranged) return false;
      return done(keys.skip((event.key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 1 : 5)));
    case "ArrowDown":
    case "ArrowUp":
      if (slider) return done(keys.skip(event.key === "ArrowDown" ? -5 : 5));
      return listed && done(keys.step(event.key === "ArrowDown" ? 1 : -1));
    case "j":
      return done(keys.step(1));
    case "k":
      return done(keys.step(-1));
    case "Enter":
      // A focused turn is a button: the browser clicks it.
      return !target.closest("button, a, summary, input") && done(keys.enter());
    case "/":
      return done(keys.search());
    case "f":
      return done(keys.follow());
    case "+":
    case "=":
      return done(keys.zoom(1.5));
    case "-":
      return done(keys.zoom(1 / 1.5));
    case "0":
      return done(keys.zoom(0));
    case "<":
      return done(keys.speed(-1));
    case ">":
      return done(keys.speed(1));
    case "Home":
    case "End":
      return slider && done(keys.edge(event.key === "End"));
    case "PageUp":
    case "PageDown":
      return slider && done(keys.skip(event.key === "PageUp" ? 30 : -30));
    case "?":
      return done(explain());
    default:
      return false;
  }
}

function done(_: unknown): true {
  return true;
}
