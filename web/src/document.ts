// The data in the page, written by src/turnkeeper/pages/page_data.py. Fields with default values are omitted.

export type Role = "customer" | "agent" | "ivr" | "acd" | "bot" | "system" | "unknown";

export interface Turn {
  role: Role;
  text: string;
  start?: number;
  end?: number;
  who?: number;
  conf?: number;
  mood?: number;
  dup?: boolean;
  over?: boolean;
  words?: number[];
  low?: number[];
  rec?: number;
  at?: number;
  flags?: string[];
  defects?: string[];
}

export interface Person {
  role: Role;
  name?: string;
  queue?: string;
  start?: number;
  end?: number;
  turns?: number;
  talk?: number;
}

export interface Mark {
  kind: "overtalk" | "silence" | "pause" | "cut";
  start: number;
  end: number;
  reason?: string;
}

export interface Sync {
  mode?: string;
  applied?: boolean;
  verdict?: string;
  offset_ms?: number;
  drift_ppm?: number;
  confidence?: number;
  channels?: string[];
  swapped?: boolean;
  cuts?: unknown[];
  evidence?: Record<string, unknown>;
}

export interface Recording {
  rate: number;
  frames: number;
  type: string;
  src: string[];
  codec?: string;
  roles?: string[];
  segments?: [number, number, number, number][];
  peaks?: string;
  sync?: Sync;
  notes?: string[];
  incomplete?: string[];
}

/** Something that is missing: words for a person, then ids and causes. */
export type Gap = [words: string, detail: string];

/** Split a remark into its words and the details after a colon or in brackets. */
export function remark(text: string): Gap {
  const found = /^(.*?)(?:: | \()(.*?)\)?$/s.exec(text);
  return found ? [(found[1] ?? "").replace(/^cut off$/, "the file is cut off"), found[2] ?? ""] : [text, ""];
}

export interface Summary {
  total_turns: number;
  avg_confidence: number;
  turns_with_confidence: number;
  roles: Partial<Record<Role, number>>;
  dialect: string;
  duplicate_turns: number;
  unknown_speaker_turns: number;
}

export interface Call {
  conversation: string;
  facts: {
    start?: number;
    direction?: string;
    media?: string;
    language?: string;
    customers?: string[];
    agents?: string[];
    queues?: string[];
    wrapups?: string[];
  };
  summary: Summary;
  length: number;
  people: Person[];
  turns: Turn[];
  marks: Mark[];
  recordings?: Recording[];
  talk?: Partial<Record<Role, number>>;
  overtalk?: number;
  missing?: Gap[];
  notes?: string[];
  archived?: string;
  producer?: string;
}

export const ROLES: Record<Role, string> = {
  customer: "Customer",
  agent: "Agent",
  ivr: "Menu",
  acd: "Queue",
  bot: "Bot",
  system: "System",
  unknown: "Unknown",
};

/** A channel's name: that of its role, or a text for a channel with everybody. */
export function channelName(role: string): string {
  return role === "mixed" ? "Everybody" : (ROLES[role as Role] ?? role);
}

/** The channel on which a role is heard: the customer on its own, everybody else on the other side's. */
export function channelOf(role: Role, channels: string[]): number {
  return Math.max(channels.indexOf(role === "customer" ? "customer" : "agent"), 0);
}

/** Below this a turn is marked as doubtful. */
export const DOUBTFUL = 0.6;

/** The name a turn is shown under: its speaker's, else its role. */
export function speaker(call: Call, turn: Turn): string {
  return (turn.who === undefined ? "" : call.people[turn.who]?.name) || ROLES[turn.role];
}

/** Milliseconds of audio in all recordings. */
export function soundLength(call: Call): number {
  return (call.recordings ?? []).reduce((sum, one) => sum + (one.frames / one.rate) * 1000, 0);
}

/** Whether two lengths differ by more than 500 ms, or by more than 1 % if that is less. */
export function apart(one: number, two: number): boolean {
  return Math.abs(one - two) > Math.max(100, Math.min(500, Math.max(one, two) / 100));
}

/** Turns that lie outside every recording. */
export function outside(call: Call): Turn[] {
  return call.turns.filter((turn) => turn.flags?.includes("outside"));
}

/** The number of a speaker among those of the same role, from 1. Each agent of a transferred call has a colour. */
export function agentNumber(call: Call, who: number | undefined): number {
  const agents = call.people.flatMap((person, place) => (person.role === "agent" ? [place] : []));
  return who === undefined ? 1 : (Math.max(agents.indexOf(who), 0) % AGENT_COLOURS) + 1;
}

const AGENT_COLOURS = 3;

/** One JSON document of the page. */
export function embedded<T>(id: string): T {
  return JSON.parse(document.getElementById(id)?.textContent ?? "null") as T;
}

/** Decode a base64 element. The element is emptied, to free the memory. */
export function bytes(id: string): Uint8Array<ArrayBuffer> {
  const element = document.getElementById(id);
  const text = element?.textContent ?? "";
  element?.remove();
  const decode = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> }).fromBase64;
  if (decode) return decode(text);
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}
