// Finds the turns that are being spoken at a given time.

import type { Turn } from "./document";

/** Rounding to samples and to milliseconds differs by less than this. */
const SLACK = 1;
const NONE: ReadonlySet<number> = new Set();

export class Spoken {
  private readonly order: number[];
  private readonly starts: number[];
  private readonly ends: number[];
  /** For each turn, the latest end of all turns up to it, so that a long turn before many short ones is found. */
  private readonly reach: number[];

  constructor(turns: Turn[]) {
    this.order = turns.map((_, place) => place).filter((place) => turns[place]?.start !== undefined);
    this.order.sort((a, b) => (turns[a]?.start ?? 0) - (turns[b]?.start ?? 0) || a - b);
    this.starts = this.order.map((place) => turns[place]?.start ?? 0);
    this.ends = this.order.map((place) => turns[place]?.end ?? turns[place]?.start ?? 0);
    let latest = -Infinity;
    this.reach = this.ends.map((end) => (latest = Math.max(latest, end)));
  }

  /** Indices of the turns whose `[start, end)` contains this time, and always `always`. */
  at(ms: number, always = -1): ReadonlySet<number> {
    const found = always < 0 ? [] : [always];
    for (let i = this.before(ms); i >= 0 && (this.reach[i] as number) > ms; i--) {
      if ((this.ends[i] as number) > ms + SLACK) found.push(this.order[i] as number);
    }
    return found.length ? new Set(found) : NONE;
  }

  /** The one that started last, if several are spoken at once. */
  primary(active: ReadonlySet<number>): number {
    return active.size ? Math.max(...active) : -1;
  }

  /** The turn that started last before this moment; -1 before the first. */
  last(ms: number): number {
    return this.order[this.before(ms)] ?? -1;
  }

  private before(ms: number): number {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.starts[middle] as number) <= ms + SLACK) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
