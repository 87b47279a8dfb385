// What the call amounts to: figures, people, and whether audio and transcript agree, with the numbers.

import { type Call, channelName, DOUBTFUL, type Mark, type Recording, type Role, ROLES, type Sync } from "./document";
import { bdi, el } from "./dom";
import { lasting } from "./times";

export interface Verdict {
  name: string;
  kind: "good" | "note" | "doubt" | "bad" | "none";
  words: string;
}

/** Below these a difference is nothing that anybody corrects: the verdict comes from something else. */
const OFFSET_MS = 60;
const DRIFT_PPM = 10;

/** What differs from the metadata, as short as a label: `+1,732.3 ms`, `channels exchanged`. */
function differences(sync: Sync): string {
  const { offset_ms: offset = 0, drift_ppm: drift = 0 } = sync;
  const found = [
    Math.abs(offset) >= OFFSET_MS ? `${signed(offset)} ms` : "",
    Math.abs(drift) >= DRIFT_PPM ? `${signed(drift)} ppm` : "",
    sync.swapped ? "channels exchanged" : "",
    sync.cuts?.length ? (sync.cuts.length === 1 ? "a cut" : `${sync.cuts.length} cuts`) : "",
  ];
  return found.filter(Boolean).join(", ");
}

/** What a sync verdict means for whoever listens. */
export function verdict(sync: Sync | undefined): Verdict {
  const reason = typeof sync?.evidence?.reason === "string" ? sync.evidence.reason.slice(0, 200) : "";
  switch (sync?.verdict) {
    case "verified":
      return { name: "In sync", kind: "good", words: "Measured: the audio runs as its metadata says." };
    case "corrected":
      return {
        name: `Corrected ${differences(sync)}`.trimEnd(),
        kind: "note",
        words: sync.applied
          ? `Measured: ${reason || "the audio differs from its metadata"}. What you hear here is corrected.`
          : `Measured: ${reason || "the audio differs from its metadata"}. The difference is reported, not applied.`,
      };
    case "mismatch":
      return { name: "Other call", kind: "bad", words: `This audio does not belong to this transcript${because(reason)}.` };
    case "unverified":
      return { name: "Not verified", kind: "doubt", words: `Cannot be told${because(reason)}. Times are as the metadata says.` };
    default:
      return { name: "Not measured", kind: "none", words: "Times are as the metadata says." };
  }
}

function because(reason: string): string {
  return reason && `: ${reason}`;
}

/** Goes to the next of some moments of the call, in milliseconds, from wherever it is. */
export type Visit = (moments: number[]) => void;

export function aside(call: Call, visit: Visit): HTMLElement[] {
  const parts = [figures(call, visit), people(call)];
  for (const [place, recording] of (call.recordings ?? []).entries()) {
    const card = agreement(recording, (call.recordings?.length ?? 0) > 1 ? ` ${place + 1}` : "");
    card.id = `agreement-${place + 1}`;
    parts.push(card);
  }
  if (call.missing?.length) parts.push(card("Missing", plain(call.missing)));
  if (call.notes?.length) parts.push(card("Notes", plain(call.notes)));
  return parts;
}

function card(title: string, ...children: Node[]): HTMLElement {
  return el("section", { className: "card" }, el("h2", {}, title), ...children);
}

function plain(lines: string[]): HTMLElement {
  return el("ul", { className: "plain" }, ...lines.map((line) => el("li", {}, bdi(line, 300))));
}

function pairs(rows: [string, Node | string, string?][]): HTMLElement {
  const list = el("dl", { className: "pairs" });
  for (const [name, value, title] of rows) {
    list.append(el("div", title ? { title } : {}, el("dt", {}, name), el("dd", {}, value)));
  }
  return list;
}

function figures(call: Call, visit: Visit): HTMLElement {
  const { summary, talk = {} } = call;
  const rows: [string, Node | string, string?][] = [["Turns", summary.total_turns.toLocaleString()]];
  const starts = (kind: Mark["kind"]) => call.marks.filter((mark) => mark.kind === kind).map((mark) => mark.start);
  if (call.length) rows.unshift(["Length", lasting(call.length)]);
  if (summary.turns_with_confidence) {
    rows.push(["Confidence", `${(summary.avg_confidence * 100).toFixed(1)} %`, "Mean over the turns that have one"]);
  }
  if (call.length) {
    const silent = jump(lasting(call.silence ?? 0), starts("silence"), "silence of 3 s or more", visit);
    rows.push(["Silence", silent, "Between the first turn and the last, where nobody speaks; pauses and holds do not count"]);
    const pauses = call.marks.filter((mark) => mark.kind === "pause" || mark.kind === "cut");
    const paused = pauses.reduce((sum, mark) => sum + mark.end - mark.start, 0);
    if (paused) rows.push(["Pauses, holds", jump(lasting(paused), pauses.map((mark) => mark.start), "pause or hold", visit), "By the platform's account, and cuts that were found"]);
    const both = jump(lasting(call.overtalk ?? 0), starts("overtalk"), "overtalk", visit);
    rows.push(["Overtalk", both, "The customer and another speak at once, for 200 ms or more"]);
  }
  const doubtful = call.turns.filter((turn) => (turn.conf ?? 1) < DOUBTFUL);
  const moments = doubtful.flatMap((turn) => turn.start ?? []);
  if (doubtful.length) rows.push(["Unsure turns", jump(doubtful.length.toLocaleString(), moments, "unsure turn", visit), `Confidence below ${DOUBTFUL}`]);
  if (summary.unknown_speaker_turns) rows.push(["Speaker not known", String(summary.unknown_speaker_turns)]);
  if (summary.duplicate_turns) rows.push(["In two legs", String(summary.duplicate_turns)]);
  return card("Summary", shares(talk), pairs(rows));
}

/** A figure that leads to what it counts, one after the other. */
function jump(figure: string, moments: number[], what: string, visit: Visit): Node | string {
  if (!moments.length) return figure;
  const label = `${figure}. Go to the next ${what}, ${moments.length} in all`;
  const button = el("button", { type: "button", className: "jump", title: `Go to the next ${what} (${moments.length})`, aria: { label } }, figure);
  button.addEventListener("click", () => visit(moments));
  return button;
}

function shares(talk: Partial<Record<Role, number>>): HTMLElement {
  const spoken = (Object.entries(talk) as [Role, number][]).filter(([, ms]) => ms > 0);
  const order = Object.keys(ROLES);
  spoken.sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  const total = spoken.reduce((sum, [, ms]) => sum + ms, 0);
  const bar = el("div", { className: "share", aria: { hidden: "true" } });
  const legend = el("ul", { className: "legend" });
  for (const [role, ms] of spoken) {
    const part = el("span", { data: { role } });
    part.style.flexGrow = String(ms);
    bar.append(part);
    const percent = 200 * ms < total ? "< 1 %" : `${Math.round((100 * ms) / total)} %`;
    legend.append(el("li", { data: { role } }, el("span", { className: "dot" }), `${ROLES[role]} `, el("b", {}, percent)));
  }
  return el("div", { className: "talk" }, ...(spoken.length ? [bar, legend] : []));
}

function people(call: Call): HTMLElement {
  const list = el("ul", { className: "people" });
  for (const person of call.people) {
    const role = ROLES[person.role];
    const queue = person.queue ? el("span", {}, " · ", bdi(person.queue, 60)) : null;
    const lasted = person.talk ? `, ${lasting(person.talk)}` : "";
    const said = person.turns ? `${person.turns} turn${person.turns === 1 ? "" : "s"}${lasted}` : "said nothing";
    list.append(
      el(
        "li",
        { data: { role: person.role } },
        el("span", { className: "dot" }),
        el("div", {}, el("strong", {}, bdi(person.name || role)), el("p", { className: "dim" }, role, queue, ` · ${said}`)),
      ),
    );
  }
  return card("People", list);
}

function agreement(recording: Recording, which: string): HTMLElement {
  const { sync } = recording;
  const told = verdict(sync);
  const rows: [string, string, string?][] = [];
  // What could not be told has no figures: a zero would read like a measurement.
  const measured = sync?.verdict === "verified" || sync?.verdict === "corrected";
  if (measured && sync.offset_ms !== undefined) rows.push(["Offset", `${signed(sync.offset_ms)} ms`, "Audio later (+) or earlier (−) than its metadata says"]);
  if (measured && sync.drift_ppm !== undefined) rows.push(["Drift", `${signed(sync.drift_ppm)} ppm`, "The audio's clock against the transcript's"]);
  if (sync?.confidence !== undefined) rows.push(["Confidence", sync.confidence.toFixed(2)]);
  const order = recording.roles?.map(channelName).join(", ");
  if (order) rows.push(["Channels", measured && sync.swapped ? `${order} (exchanged)` : order, "Who is heard on each, in order"]);
  rows.push(["Audio", [recording.codec, `${recording.rate / 1000} kHz`].filter(Boolean).join(", ")]);
  const evidence = Object.entries(sync?.evidence ?? {}).filter(([, value]) => ["number", "string"].includes(typeof value));
  const more = evidence.length
    ? [el("details", {}, el("summary", {}, "Evidence"), pairs(evidence.map(([name, value]) => [name.replaceAll("_", " "), shown(value)])))]
    : [];
  const notes = (recording.notes ?? []).map((note) => el("p", { className: "dim" }, bdi(note, 300)));
  const made = card(`Audio and transcript${which}`, el("p", { className: `told ${told.kind}` }, told.words), pairs(rows), ...more, ...notes);
  made.tabIndex = -1;
  return made;
}

function signed(value: number): string {
  const rounded = Math.round(value * 10) / 10;
  const sign = rounded > 0 ? "+" : rounded < 0 ? "−" : "";
  return `${sign}${Math.abs(rounded).toLocaleString("en")}`;
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value).slice(0, 300);
}
