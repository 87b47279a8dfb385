// Search in the call. Matches are shown with the CSS highlight API, which leaves the list's elements unchanged.

import type { Call } from "./document";
import { announce, byId, icon } from "./dom";
import { type Transcript, within } from "./transcript";

/** Further matches are counted but not highlighted. */
const PAINTED = 2000;

interface Hit {
  place: number;
  offset: number;
  length: number;
}

const painted = typeof Highlight === "function";
const hits = painted ? new Highlight() : undefined;
const here = painted ? new Highlight() : undefined;
if (hits && here) {
  here.priority = 1;
  CSS.highlights.set("hit", hits);
  CSS.highlights.set("here", here);
}

export class Search {
  private readonly input = byId<HTMLInputElement>("query");
  private readonly output = byId<HTMLOutputElement>("hits");
  private readonly buttons = [byId<HTMLButtonElement>("previous"), byId<HTMLButtonElement>("next")] as const;
  private readonly texts: string[];
  private found: Hit[] = [];
  private at = -1;
  private timer = 0;
  /** The element that had the focus before the search. */
  private before: Element | null = null;

  constructor(
    call: Call,
    private readonly transcript: Transcript,
    private readonly current: () => number,
  ) {
    this.texts = call.turns.map((turn) => folded(turn.text));
    this.buttons[0].append(icon("up"));
    this.buttons[1].append(icon("down"));
    this.buttons[0].addEventListener("click", () => this.step(-1));
    this.buttons[1].addEventListener("click", () => this.step(1));
    this.input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.search(), 120);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        if (this.timer) this.search();
        else this.step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        event.preventDefault();
        this.leave();
      }
    });
    this.input.addEventListener("focus", (event) => (this.before = event.relatedTarget as Element | null));
  }

  focus(): void {
    this.input.focus();
    this.input.select();
  }

  /** Clear the search, and focus the current match's turn, else the element that had the focus before. */
  private leave(): void {
    const found = this.found[this.at];
    this.input.value = "";
    this.search();
    this.input.blur();
    if (found) this.transcript.go(found.place);
    else if (this.before instanceof HTMLElement) this.before.focus();
  }

  /** Find all matches, and go to the first one at or after the reader's current turn. */
  private search(): void {
    clearTimeout(this.timer);
    this.timer = 0;
    const sought = folded(this.input.value.trim());
    this.found = [];
    this.at = -1;
    if (sought) {
      this.texts.forEach((text, place) => {
        for (let at = text.indexOf(sought); at >= 0; at = text.indexOf(sought, at + sought.length)) {
          this.found.push({ place, offset: at, length: sought.length });
        }
      });
    }
    this.input.closest(".find")?.classList.toggle("searching", Boolean(sought));
    hits?.clear();
    here?.clear();
    for (const hit of this.found.slice(0, PAINTED)) this.paint(hit, hits);
    for (const button of this.buttons) button.disabled = !this.found.length;
    if (this.found.length) this.step(1);
    else this.tell(sought);
  }

  private step(by: 1 | -1): void {
    if (!this.found.length) return;
    if (this.at < 0) {
      const from = this.current();
      const next = this.found.findIndex((hit) => hit.place >= from);
      this.at = by > 0 ? Math.max(next, 0) : (next <= 0 ? this.found.length : next) - 1;
    } else this.at = (this.at + by + this.found.length) % this.found.length;
    const hit = this.found[this.at] as Hit;
    this.transcript.following = false;
    this.transcript.onFollow();
    if (!this.range(hit)) this.transcript.expand(hit.place);
    here?.clear();
    this.paint(hit, here);
    this.transcript.reveal(hit.place, false);
    this.tell(this.input.value);
  }

  private tell(sought: string): void {
    const count = this.found.length.toLocaleString();
    const words = !sought ? "" : !this.found.length ? "No match" : this.at < 0 ? count : `${this.at + 1} of ${count}`;
    this.output.textContent = words;
    const turn = this.found[this.at];
    if (turn) announce(`Match ${words}, turn ${turn.place + 1}`);
  }

  private range(hit: Hit): Range | undefined {
    const text = this.transcript.row(hit.place)?.text;
    return text && within(text, hit.offset, hit.length);
  }

  private paint(hit: Hit, into: Highlight | undefined): void {
    const range = into && this.range(hit);
    if (range) into.add(range);
  }
}

/** Convert to lower case, except where that would change the offsets of characters. */
function folded(text: string): string {
  const lower = text.toLowerCase();
  if (lower.length === text.length) return lower;
  return Array.from(text, (each) => (each.toLowerCase().length === each.length ? each.toLowerCase() : each)).join("");
}
