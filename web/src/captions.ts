// A turn as captions that a person can read, cut as src/turnkeeper/transcript/captions.py cuts them: at most two lines of
// 42 columns at a time, each from the time of its first word. Pure.

import type { Turn } from "./document";

const COLUMNS = 42;
const LINES = 2;
const NARROW = /[\p{Mn}\p{Me}\p{Cf}]/u;
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\p{Emoji_Presentation}]/u;
const PUNCTUATION = /[\p{Po}\p{Pe}\p{Pf}]/u;

/** Times are milliseconds of the conversation. */
export interface Caption {
  start: number;
  end: number;
  lines: string[];
}

interface Piece {
  text: string;
  /** Its offset in the turn's text. */
  offset: number;
}

export function captions({ text, words = [] }: Turn, start: number, end: number): Caption[] {
  const times = new Map<number, number>();
  for (let i = 0; i < words.length; i += 4) times.set(words[i] as number, words[i + 2] as number);
  const lines = [...broken(text, times)];
  if (lines.length <= LINES || end - start < lines.length) return [{ start, end, lines: lines.map((line) => line.text) }];
  const groups: Piece[][] = [];
  for (let at = 0; at < lines.length; at += LINES) groups.push(lines.slice(at, at + LINES));
  const starts = [start, ...begun(groups.slice(1).map((group) => group[0]?.offset ?? 0), text, [...new Map([[0, start], ...times, [text.length, end]])])];
  return groups.map((group, place) => ({ start: starts[place] ?? start, end: starts[place + 1] ?? end, lines: group.map((line) => line.text) }));
}

function columns(text: string): number {
  let sum = 0;
  for (const character of text) sum += width(character);
  return sum;
}

function width(character: string): number {
  return NARROW.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

/** The text in lines; what is longer than a line and has no spaces is cut. */
function* broken(text: string, cuts: Map<number, number>): Generator<Piece> {
  let line = "";
  let first = 0;
  let used = 0;
  for (const word of text.matchAll(/\S+/g)) {
    for (const piece of pieces(word[0], word.index, cuts)) {
      const wide = columns(piece.text);
      let gap = line && piece.offset === word.index ? " " : "";
      if (line && used + gap.length + wide > COLUMNS) {
        yield { text: line, offset: first };
        [line, used, gap] = ["", 0, ""];
      }
      if (!line) first = piece.offset;
      line += gap + piece.text;
      used += gap.length + wide;
    }
  }
  if (line) yield { text: line, offset: first };
}

function* pieces(word: string, offset: number, cuts: Map<number, number>): Generator<Piece> {
  let [first, last, used, place, before] = [0, 0, 0, 0, ""];
  for (const character of word) {
    const wide = width(character);
    if (place && !PUNCTUATION.test(character) && (cuts.has(offset + place) || PUNCTUATION.test(before))) last = place;
    if (place > first && wide && used + wide > COLUMNS && before !== "\u200d") {
      if (last <= first) last = place;
      yield { text: word.slice(first, last), offset: offset + first };
      [first, used] = [last, columns(word.slice(last, place))];
    }
    used += wide;
    place += character.length;
    before = character;
  }
  yield { text: word.slice(first), offset: offset + first };
}

/** When each group begins: after the one before, and early enough for the following ones. */
function begun(offsets: number[], text: string, known: [number, number][]): number[] {
  const end = known.at(-1)?.[1] ?? 0;
  let last = known[0]?.[1] ?? 0;
  return offsets.map((offset, count) => {
    const after = known.findIndex(([place]) => place > offset);
    const [[one, from], [other, to]] = [known[after - 1] ?? [0, 0], known[after] ?? [0, 0]];
    const share = columns(text.slice(one, offset)) / Math.max(columns(text.slice(one, other)), 1);
    last = Math.min(Math.max(from + Math.trunc((to - from) * share), last + 1), end - (offsets.length - count));
    return last;
  });
}
