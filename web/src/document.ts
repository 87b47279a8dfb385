// What Python wrote into the page; src/turnkeeper/viewer/records.py is its other side. Absent means left out.

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
  silence?: number;
  overtalk?: number;
  missing?: string[];
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

/** A channel's name: a role's, or that all are heard on it. */
export function channelName(role: string): string {
  return role === "mixed" ? "Everybody" : (ROLES[role as Role] ?? role);
}

/** Below this a turn is marked as doubtful. */
export const DOUBTFUL = 0.6;

/** The name a turn is shown under: its speaker's, else its role. */
export function speaker(call: Call, turn: Turn): string {
  return (turn.who === undefined ? "" : call.people[turn.who]?.name) || ROLES[turn.role];
}

/** One JSON document of the page. */
export function embedded<T>(id: string): T {
  return JSON.parse(document.getElementById(id)?.textContent ?? "null") as T;
}

/** The bytes of a base64 element; the element is emptied, so that they are not held twice. */
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
