// The list of turns. Rows are created in blocks, and the browser lays out only blocks near the window, so that ten
// thousand turns do not block the page. (Blocks may not stand in a list element, so ARIA roles make the list.)

import { agentNumber, type Call, DOUBTFUL, type Mark, speaker, type Turn } from "./document";
import { bdi, byId, el } from "./dom";
import { clock, lasting, pauseName } from "./times";

const BLOCK = 25;
/** A longer text is cut here until the reader expands it. */
const LONGEST = 4000;
/** A long text is split into pieces of this length, because the layout time of one very long word is not linear. */
const PIECE = 2000;
/** The speaker's name is repeated after this many rows of the same speaker. */
const NAME_AGAIN = 8;

interface Row {
  item: HTMLElement;
  button: HTMLButtonElement;
  text: HTMLElement;
}

export interface Chosen {
  /** A turn was clicked, or Enter was pressed on it. */
  (place: number): void;
}

const word = typeof Highlight === "function" ? new Highlight() : undefined;
if (word) CSS.highlights.set("word", word);

export class Transcript {
  private readonly list = byId("transcript");
  private readonly rows: Row[] = [];
  private readonly gaps: Mark[];
  private gap = 0;
  private run = 0;
  private focus = 0;
  private active: ReadonlySet<number> = new Set();
  private primary = -1;
  following = true;
  /** Called when following the playback stops or starts. */
  onFollow: () => void = () => undefined;

  constructor(
    private readonly call: Call,
    private readonly chosen: Chosen,
  ) {
    this.gaps = call.marks.filter((mark) => mark.kind !== "overtalk");
    // Without turns the list and the search are hidden; a sentence says so.
    const words = call.turns.length > 0;
    byId("empty").hidden = words;
    this.list.hidden = !words;
    byId("find").hidden = !words;
    this.build(BLOCK);
    this.list.addEventListener("click", (event) => this.clicked(event));
    this.list.addEventListener("focusin", (event) => {
      const place = this.placeOf(event.target);
      if (place >= 0) this.rove(place);
    });
    for (const name of ["wheel", "touchmove"]) {
      window.addEventListener(name, () => this.stray(), { passive: true });
    }
  }

  /** Make the rest of the rows, a slice at a time. */
  complete(done: () => void): void {
    const more = () => {
      this.build(this.rows.length + BLOCK);
      if (this.rows.length < this.call.turns.length) setTimeout(more);
      else done();
    };
    setTimeout(more);
  }

  row(place: number): Row | undefined {
    if (place >= this.rows.length) this.build(place + 1);
    return this.rows[place];
  }

  get focused(): number {
    return this.focus;
  }

  /** Mark the turns that are being spoken; `primary` is the one the list follows. */
  activate(active: ReadonlySet<number>, primary: number): void {
    for (const place of this.active) if (!active.has(place)) this.rows[place]?.item.classList.remove("active");
    for (const place of active) this.row(place)?.item.classList.add("active");
    this.active = active;
    if (primary === this.primary) return;
    this.rows[this.primary]?.item.removeAttribute("aria-current");
    this.primary = primary;
    if (primary < 0) return;
    this.row(primary)?.item.setAttribute("aria-current", "true");
    if (!this.list.contains(document.activeElement)) this.rove(primary);
    if (this.following) this.reveal(primary);
  }

  /** Mark the word that is being spoken. */
  say(ms: number): void {
    if (!word) return;
    const turn = this.call.turns[this.primary];
    const words = turn?.words;
    let found = -1;
    if (words && turn.end !== undefined && ms < turn.end) {
      for (let i = 0; i < words.length && (words[i + 2] as number) <= ms + 1; i += 4) found = i;
    }
    word.clear();
    const row = this.rows[this.primary];
    if (found < 0 || !words || !row) return;
    const range = within(row.text, words[found] as number, words[found + 1] as number);
    if (range) word.add(range);
  }

  /** Scroll a turn into view, below the player that stays on top. */
  reveal(place: number, smooth = true): void {
    const item = this.row(place)?.item;
    if (!item || item.hidden) return;
    const { top: from, bottom: to } = item.getBoundingClientRect();
    const roof = this.roof();
    if (from >= roof && to <= window.innerHeight - 48) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const far = Math.abs(from - roof) > window.innerHeight * 2;
    const target = window.scrollY + from - roof - (window.innerHeight - roof) * 0.25;
    window.scrollTo({ top: Math.max(target, 0), behavior: smooth && !calm && !far ? "smooth" : "instant" });
    // Rows far away have estimated heights until they are drawn, so scroll again when they are.
    if (far) requestAnimationFrame(() => this.settle(place, 3));
  }

  /** The top of the visible part of the list, below the player and the search, which may stick above it. */
  private roof(): number {
    const tops = [byId("deck"), this.list.parentElement?.querySelector(".find")].filter(
      (part): part is HTMLElement => part instanceof HTMLElement && getComputedStyle(part).position === "sticky",
    );
    return Math.min(tops.reduce((sum, part) => sum + part.offsetHeight, 0), window.innerHeight * 0.6) + 8;
  }

  private settle(place: number, tries: number): void {
    const item = this.rows[place]?.item;
    if (!item || !tries) return;
    const { top: from, bottom: to } = item.getBoundingClientRect();
    const roof = this.roof();
    if (from >= roof - 8 && to <= window.innerHeight) return;
    window.scrollBy({ top: from - roof - (window.innerHeight - roof) * 0.25, behavior: "instant" });
    requestAnimationFrame(() => this.settle(place, tries - 1));
  }

  /** Focus a turn. */
  go(place: number): void {
    const row = this.row(place);
    if (!row || row.item.hidden) return;
    this.rove(place);
    row.button.focus({ preventScroll: true });
    this.reveal(place, false);
  }

  /** The next turn that is shown, in a direction. */
  step(by: 1 | -1): void {
    let place = this.focus;
    if (!this.list.contains(document.activeElement) && this.primary < 0 && by === 1 && place === 0) place = -1;
    do place += by;
    while (this.call.turns[place] && this.hides(place));
    if (this.call.turns[place]) this.go(place);
  }

  /** Show only the turns whose index passes. Used by the role filters only. */
  filter(hidden: ReadonlySet<string>): void {
    this.list.classList.toggle("filtered", hidden.size > 0);
    this.hidden = hidden;
    this.rows.forEach((row, place) => (row.item.hidden = this.hides(place)));
  }

  private hidden: ReadonlySet<string> = new Set();

  private hides(place: number): boolean {
    return this.hidden.has(this.call.turns[place]?.role ?? "");
  }

  /** Show a long text whole. */
  expand(place: number): void {
    const row = this.row(place);
    const turn = this.call.turns[place];
    if (!row || !turn) return;
    row.item.querySelector(".more")?.remove();
    row.text.replaceChildren(...worded(turn, Infinity));
  }

  private stray(): void {
    if (!this.following) return;
    this.following = false;
    this.onFollow();
  }

  private rove(place: number): void {
    const old = this.rows[this.focus];
    if (old) old.button.tabIndex = -1;
    this.focus = place;
    const row = this.rows[place];
    if (row) row.button.tabIndex = 0;
  }

  private placeOf(target: EventTarget | null): number {
    const item = target instanceof Element ? target.closest<HTMLElement>(".turn") : null;
    return item ? Number(item.dataset.place) : -1;
  }

  private clicked(event: MouseEvent): void {
    const place = this.placeOf(event.target);
    if (place < 0) return;
    if (event.target instanceof Element && event.target.closest(".more")) return this.expand(place);
    // A click that ends a text selection must not start playback.
    const selection = window.getSelection();
    if (selection && !selection.isCollapsed && event.detail) return;
    this.rove(place);
    this.chosen(place);
  }

  /** Make rows up to a place, in whole blocks. */
  private build(upTo: number): void {
    const fragment = document.createDocumentFragment();
    let block = fragment.lastElementChild;
    for (let place = this.rows.length; place < Math.min(Math.ceil(upTo / BLOCK) * BLOCK, this.call.turns.length); place++) {
      if (place % BLOCK === 0) {
        block = el("div", { className: "block" });
        block.setAttribute("role", "presentation");
        fragment.append(block);
      }
      const turn = this.call.turns[place] as Turn;
      for (; this.gaps[this.gap] && starts(this.gaps[this.gap], turn); this.gap++) {
        block?.append(between(this.gaps[this.gap] as Mark));
        this.run = 0;
      }
      const row = this.make(turn, place);
      row.item.hidden = this.hides(place);
      this.rows.push(row);
      block?.append(row.item);
    }
    this.list.append(fragment);
    const first = this.rows[this.focus];
    if (first) first.button.tabIndex = 0;
  }

  private make(turn: Turn, place: number): Row {
    const before = this.call.turns[place - 1];
    const same = before?.role === turn.role && before.who === turn.who && this.run > 0 && this.run < NAME_AGAIN;
    this.run = same ? this.run + 1 : 1;
    const name = speaker(this.call, turn);
    const when = turn.start === undefined ? String(place + 1) : clock(turn.start);
    const said = turn.start === undefined ? `Turn ${place + 1}` : `Go to ${when}`;
    const button = el("button", { type: "button", className: "when", tabIndex: -1, aria: { label: said } }, when);
    const text = el("p", { className: "text", dir: "auto" }, ...worded(turn, LONGEST));
    const item = listed(
      { className: same ? "turn same" : "turn", id: `turn-${place + 1}`, data: { role: turn.role, agent: String(agentNumber(this.call, turn.who)), place: String(place) } },
      button,
      el("p", { className: "name" }, bdi(name, 60)),
      el("div", { className: "said" }, text),
      tags(turn),
    );
    if (turn.text.length > LONGEST) {
      const rest = `Show all ${turn.text.length.toLocaleString()} characters`;
      text.after(el("button", { type: "button", className: "more quiet" }, rest));
    }
    return { item, button, text };
  }
}

/** A DOM range over the characters `[offset, offset + length)` of a text that may consist of several nodes. */
export function within(text: Node, offset: number, length: number): Range | undefined {
  const range = document.createRange();
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  let passed = 0;
  let begun = false;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const long = node.nodeValue?.length ?? 0;
    if (!begun && offset < passed + long) {
      range.setStart(node, offset - passed);
      begun = true;
    }
    if (begun && offset + length <= passed + long) {
      range.setEnd(node, offset + length - passed);
      return range;
    }
    passed += long;
  }
  return undefined;
}

function starts(gap: Mark | undefined, turn: Turn): boolean {
  return gap !== undefined && turn.start !== undefined && gap.start <= turn.start;
}

function listed(properties: { className: string; id?: string; data?: Record<string, string> }, ...children: Node[]): HTMLElement {
  const made = el("div", properties, ...children);
  made.setAttribute("role", "listitem");
  return made;
}

function between(mark: Mark): HTMLElement {
  const long = lasting(mark.end - mark.start);
  const words = {
    overtalk: "",
    silence: `${long} of silence`,
    pause: `${pauseName(mark.reason)}, ${long}`,
    cut: `${pauseName(mark.reason)}, ${long} not recorded`,
  }[mark.kind];
  return listed({ className: `gap ${mark.kind}` }, el("span", {}, words));
}

function worded(turn: Turn, longest: number): Node[] {
  const { text, words = [], low = [] } = turn;
  if (text.length > LONGEST && longest > LONGEST) return pieces(text);
  const shown = text.length > longest ? `${text.slice(0, longest)}…` : text;
  const nodes: Node[] = [];
  let at = 0;
  for (const place of low) {
    const from = words[place * 4] ?? 0;
    const to = from + (words[place * 4 + 1] ?? 0);
    if (from < at || to > Math.min(shown.length, longest)) continue;
    nodes.push(document.createTextNode(shown.slice(at, from)));
    nodes.push(el("span", { className: "low", title: "The recogniser is not sure of this word" }, shown.slice(from, to)));
    at = to;
  }
  nodes.push(document.createTextNode(shown.slice(at)));
  return nodes;
}

function pieces(text: string): Node[] {
  const made = [];
  for (let at = 0; at < text.length; at += PIECE) made.push(el("span", { className: "piece" }, text.slice(at, at + PIECE)));
  return made;
}

const FLAGS: Record<string, string> = {
  clipped_start: "starts before the recording",
  clipped_end: "ends after the recording",
  outside: "outside the recording",
};

const DAMAGED: Record<string, string> = { start_ms: "start", end_ms: "end", confidence: "certainty", words: "word times" };

function tags(turn: Turn): HTMLElement {
  const box = el("div", { className: "tags" });
  const tag = (kind: string, text: string, title: string) => box.append(el("span", { className: `tag ${kind}`, title }, text));
  if (turn.over) tag("overtalk", "overtalk", "Somebody else speaks at the same time");
  if (turn.conf !== undefined && turn.conf < DOUBTFUL) {
    tag("doubt", `${Math.round(turn.conf * 100)} % sure`, "The recogniser is not sure of the words of this turn");
  }
  if (turn.mood !== undefined && Math.abs(turn.mood) >= 0.25) {
    const good = turn.mood > 0;
    tag(good ? "good" : "bad", good ? "+ positive" : "− negative", `Sentiment ${turn.mood.toFixed(2)}`);
  }
  if (turn.dup) tag("plain", "also in another leg", "Another leg of the call holds the same words");
  for (const field of turn.defects ?? []) tag("doubt", `${DAMAGED[field] ?? field.slice(0, 40)} damaged`, "This part of the turn cannot be right; the turn is shown as far as it goes");
  for (const flag of turn.flags ?? []) tag("plain", FLAGS[flag] ?? flag, "The turn and the recording do not overlap wholly");
  return box;
}

