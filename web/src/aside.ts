// The side panel: figures of the call, its participants, and whether audio and transcript agree.

import { agentNumber, apart, type Call, channelName, DOUBTFUL, type Gap, type Mark, outside, type Recording, remark, type Role, ROLES, soundLength, type Sync } from "./document";
import { bdi, behind, el } from "./dom";
import { duration, lasting } from "./times";

export interface Verdict {
  name: string;
  kind: "good" | "note" | "doubt" | "bad" | "none";
  words: string;
}

/** Smaller differences are not shown, because they do not cause a verdict of "corrected". */
const OFFSET_MS = 60;
const DRIFT_PPM = 10;

/** How the audio differs from the platform's times, as a short label: `Sound 1.7 s late`, `sides exchanged`. */
function differences(sync: Sync): string {
  const { offset_ms: offset = 0, drift_ppm: drift = 0 } = sync;
  const found = [
    Math.abs(offset) >= OFFSET_MS ? `sound ${lasting(Math.abs(offset))} ${offset > 0 ? "late" : "early"}` : "",
    Math.abs(drift) >= DRIFT_PPM ? "clock drifts" : "",
    sync.swapped ? "sides exchanged" : "",
    sync.cuts?.length ? (sync.cuts.length === 1 ? "a stretch missing" : `${sync.cuts.length} stretches missing`) : "",
  ];
  const words = found.filter(Boolean).join(", ") || "sound not quite where it should be";
  return words[0]?.toUpperCase() + words.slice(1);
}

/** The verdict of a recording for listeners. With `told` there are other remarks, so it is not shown as simply good. */
export function verdict(recording: Recording | undefined, told = false): Verdict {
  const sync = recording?.sync;
  const reason = typeof sync?.evidence?.reason === "string" ? sync.evidence.reason.slice(0, 200) : "";
  if (recording?.incomplete?.length) {
    const words = `Sound is missing in this recording: ${recording.incomplete.map((each) => remark(each)[0]).join("; ")}. Times hold for what is there.`;
    return { name: "Sound is missing", kind: sync?.verdict === "mismatch" ? "bad" : "doubt", words };
  }
  switch (sync?.verdict) {
    case "verified":
      return told || recording?.notes?.length
        ? { name: "In sync, with remarks", kind: "note", words: "Measured: the sound is where the platform says; the remarks say what else is to be known." }
        : { name: "In sync", kind: "good", words: "Measured: the sound is where the platform says." };
    case "corrected":
      return {
        name: sync.applied ? `${differences(sync)} (put right)` : differences(sync),
        kind: "note",
        words: sync.applied
          ? `Measured: ${reason || "the sound is not where the platform says"}. What you hear here is put right.`
          : `Measured: ${reason || "the sound is not where the platform says"}. It is shown as the platform says, not put right.`,
      };
    case "mismatch":
      return { name: "Other call", kind: "bad", words: `This audio does not belong to this transcript${because(reason)}.` };
    case "unverified":
      return { name: "Not verified", kind: "doubt", words: `Whether sound and transcript fit cannot be told${because(reason)}. Times are as the platform says.` };
    default:
      return { name: "Not measured", kind: "none", words: "Nobody compared sound and transcript. Times are as the platform says." };
  }
}

export interface Truth {
  kind: "doubt" | "note";
  words: string;
  /** Figures for the details of the verdict. */
  detail?: string;
}

/** The most important remarks: what is missing, outside the audio or damaged; then remarks about the file. */
export function truths(call: Call): Truth[] {
  const found: Truth[] = [];
  const several = (call.recordings?.length ?? 0) > 1;
  for (const [place, recording] of (call.recordings ?? []).entries()) {
    const which = several ? ` in recording ${place + 1}` : "";
    for (const [words, detail] of (recording.incomplete ?? []).map(remark)) found.push({ kind: "doubt", words: `Sound is missing${which}: ${words}`, detail });
  }
  const sound = soundLength(call);
  const lost = outside(call);
  if (sound && lost.length) found.push({ kind: "doubt", words: `${turns(lost.length)} outside the recording and cannot be heard` });
  const damaged = call.turns.filter((turn) => turn.defects?.length).length;
  if (damaged) found.push({ kind: "doubt", words: `${turns(damaged, "has", "have")} a time or another field that cannot be right; each is marked` });
  for (const [place, recording] of (call.recordings ?? []).entries()) {
    const which = several ? `Recording ${place + 1}` : "About the recording";
    for (const [words, detail] of (recording.notes ?? []).map(remark)) found.push({ kind: "note", words: `${which}: ${words}`, detail });
  }
  return found;
}

function turns(count: number, one = "lies", many = "lie"): string {
  return count === 1 ? `1 turn ${one}` : `${count.toLocaleString()} turns ${many}`;
}

function because(reason: string): string {
  return reason && `: ${reason}`;
}

/** Goes to the next of several times of the call, in milliseconds, after the current position. */
export type Visit = (moments: number[]) => void;

export function aside(call: Call, visit: Visit): HTMLElement[] {
  const parts = [figures(call, visit), people(call)];
  for (const [place, recording] of (call.recordings ?? []).entries()) {
    const card = agreement(recording, (call.recordings?.length ?? 0) > 1 ? ` ${place + 1}` : "");
    card.id = `agreement-${place + 1}`;
    parts.push(card);
  }
  if (call.missing?.length) parts.push(card("Missing", listed(call.missing)));
  if (call.notes?.length) parts.push(card("Notes", listed(call.notes.map(remark))));
  return parts;
}

function card(title: string, ...children: Node[]): HTMLElement {
  return el("section", { className: "card" }, el("h2", {}, title), ...children);
}

function listed(lines: Gap[]): HTMLElement {
  return el("ul", { className: "plain" }, ...lines.map((line) => el("li", {}, behind(line))));
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
  const sound = soundLength(call);
  if (sound && apart(sound, call.length)) rows.unshift(["Length of sound", duration(sound), "All recordings of the call together"]);
  if (call.length) rows.unshift([sound && apart(sound, call.length) ? "Length of call" : "Length", duration(call.length)]);
  if (summary.turns_with_confidence) {
    rows.push(["Recognition", `${(summary.avg_confidence * 100).toFixed(1)} %`, "How sure the speech recogniser was of its words, on average"]);
  }
  if (call.length) {
    const quiet = call.marks.filter((mark) => mark.kind === "silence").reduce((sum, mark) => sum + mark.end - mark.start, 0);
    const silent = jump(lasting(quiet), starts("silence"), "silence of 3 s or more", visit);
    rows.push(["Silence", silent, "Where nobody speaks for 3 s or more; pauses and holds do not count"]);
    const pauses = call.marks.filter((mark) => mark.kind === "pause" || mark.kind === "cut");
    const paused = pauses.reduce((sum, mark) => sum + mark.end - mark.start, 0);
    if (paused) rows.push(["Pauses, holds", jump(lasting(paused), pauses.map((mark) => mark.start), "pause or hold", visit), "As the platform says, and stretches that were found to be missing"]);
    const both = jump(lasting(call.overtalk ?? 0), starts("overtalk"), "overtalk", visit);
    rows.push(["Overtalk", both, "The customer and another speak at once, for 200 ms or more"]);
  }
  const doubtful = call.turns.filter((turn) => (turn.conf ?? 1) < DOUBTFUL);
  const moments = doubtful.flatMap((turn) => turn.start ?? []);
  if (doubtful.length) rows.push(["Unsure turns", jump(doubtful.length.toLocaleString(), moments, "unsure turn", visit), `The recogniser was less than ${DOUBTFUL * 100} % sure`]);
  const lost = outside(call);
  if (sound && lost.length) rows.push(["Outside the sound", jump(lost.length.toLocaleString(), lost.flatMap((turn) => turn.start ?? []), "turn outside the recording", visit), "Turns that no recording holds"]);
  const damaged = call.turns.filter((turn) => turn.defects?.length);
  if (damaged.length) rows.push(["Damaged turns", jump(damaged.length.toLocaleString(), damaged.flatMap((turn) => turn.start ?? []), "damaged turn", visit), "A time or another field of them cannot be right"]);
  if (summary.unknown_speaker_turns) rows.push(["Speaker not known", String(summary.unknown_speaker_turns)]);
  if (summary.duplicate_turns) rows.push(["In two legs", String(summary.duplicate_turns)]);
  return card("Summary", shares(talk), pairs(rows));
}

/** A figure that is a button: each click goes to the next occurrence of what it counts. */
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
        { data: { role: person.role, agent: String(agentNumber(call, call.people.indexOf(person))) } },
        el("span", { className: "dot" }),
        el("div", {}, el("strong", {}, bdi(person.name || role)), el("p", { className: "dim" }, role, queue, ` · ${said}`)),
      ),
    );
  }
  return card("People", list);
}

function agreement(recording: Recording, which: string): HTMLElement {
  const { sync } = recording;
  const told = verdict(recording);
  const rows: [string, string, string?][] = [];
  // Values that were not measured are left out, because a zero would read like a measurement.
  const measured = ["verified", "corrected"].includes(sync?.verdict ?? "") || (Boolean(recording.incomplete?.length) && Boolean(sync?.channels?.length));
  const figures: [string, string, string?][] = [];
  if (measured && sync?.offset_ms !== undefined) figures.push(["Shift", `${signed(sync.offset_ms)} ms`, "Sound later (+) or earlier (−) than the platform says"]);
  if (measured && sync?.drift_ppm !== undefined) figures.push(["Drift", `${signed(sync.drift_ppm)} ppm`, "How much faster (−) or slower (+) the recorder's clock ran, in millionths"]);
  if (sync?.confidence !== undefined) rows.push(["Certainty", `${Math.round(sync.confidence * 100)} %`, "How sure this comparison of sound and transcript is; 50 % and more counts"]);
  const order = recording.roles?.map(channelName).join(", ");
  if (order) rows.push(["Channels", measured && sync?.swapped ? `${order} (exchanged)` : order, "Who is heard on each, in order"]);
  rows.push(["Length", duration((recording.frames / recording.rate) * 1000)]);
  rows.push(["Audio", [recording.codec, `${recording.rate / 1000} kHz`].filter(Boolean).join(", ")]);
  for (const [name, value] of Object.entries(sync?.evidence ?? {})) {
    const repeated = name === "reason" && told.words.includes(String(value));
    if (["number", "string"].includes(typeof value) && !repeated) figures.push([name.replaceAll("_", " "), shown(value)]);
  }
  const more = figures.length ? [el("details", {}, el("summary", {}, "Figures behind it"), pairs(figures))] : [];
  const notes = (recording.notes ?? []).map((note) => el("div", { className: "dim" }, behind(remark(note))));
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
