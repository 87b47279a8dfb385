// The page of one call: reads its data and connects the parts.

import { aside, truths, verdict } from "./aside";
import { apart, bytes, type Call, embedded, outside, ROLES, type Role, soundLength, speaker } from "./document";
import { bdi, behind, byId, clip, el, icon } from "./dom";
import { keyboard } from "./keys";
import { Overview } from "./overview";
import { type Peaks, readPeaks } from "./peaks";
import { Player } from "./player";
import { Search } from "./search";
import { shareMenu } from "./share";
import { Spoken } from "./spoken";
import { theme } from "./theme";
import { clock, duration, moment, parse, spoken } from "./times";
import { Transcript } from "./transcript";
import { Wave } from "./wave";

const call = embedded<Call>("call");
const player = new Player(call);
const pictures = new Map<number, Peaks | undefined>();
const peaks = (recording: number) => {
  const id = player.recordings[recording]?.peaks;
  if (!pictures.has(recording)) pictures.set(recording, id ? readPeaks(bytes(id)) : undefined);
  return pictures.get(recording);
};
const timed = call.turns.some((turn) => turn.start !== undefined);
const speaking = new Spoken(call.turns);

heading();
plainly();
const transcript = new Transcript(call, (place) => choose(place));
const search = new Search(call, transcript, () => transcript.focused);
byId("aside").append(...aside(call, visit));
filters();
shareMenu(call, player);

const deck = byId("deck");
deck.hidden = !player.heard && !timed;
deck.classList.toggle("silent", !player.heard);
const wave = new Wave(call, player, peaks);
const overview = new Overview(call, player, peaks, (ratio) => {
  if (player.heard) player.seek(ratio * player.duration);
  else player.seekMs(ratio * call.length);
  wave.reveal(player.seconds, true);
  transcript.following = true;
  follow();
});
wave.onView = (start, end) => {
  const zoomed = wave.zoomed;
  deck.classList.toggle("zoomed", zoomed);
  overview.show(zoomed ? [start, end] : undefined);
};
controls();
theme(() => {
  wave.repaint();
  overview.repaint();
});
player.listen({ moved, changed, refused });
player.audio.addEventListener("durationchange", () => played());
if (player.heard) wave.show();
overview.draw();
changed();
go();
window.addEventListener("hashchange", () => go());
const fitting = new ResizeObserver(() => fit());
for (const part of [deck, byId("aside"), document.documentElement]) fitting.observe(part);
requestAnimationFrame(() => ready());

/** Sets the player's height for elements that stick below it, and keeps the side panel in view if it fits. */
function fit(): void {
  const stays = getComputedStyle(deck).position === "sticky" && !deck.hidden;
  const height = stays ? deck.offsetHeight : 0;
  document.documentElement.style.setProperty("--deck", `${height}px`);
  // A panel taller than the window stops scrolling when its end is in view.
  const lowest = window.innerHeight - byId("aside").offsetHeight - 16;
  document.documentElement.style.setProperty("--aside", `${Math.min(height + 12, lowest)}px`);
}

function heading(): void {
  const { customers = [], agents = [], queues = [], wrapups = [], start, direction, media, language } = call.facts;
  const title = byId("title");
  const names = [customers, agents].filter((each) => each.length).map((each) => each.map((name) => clip(name, 60)));
  title.replaceChildren(
    ...(names.length
      ? names.flatMap((each, place) => [place ? " with " : "", ...each.flatMap((name, at) => [at ? ", " : "", bdi(name)])])
      : ["Conversation ", bdi(call.conversation)]),
  );
  const facts = [
    start === undefined ? "" : moment(start),
    lengths(),
    queues.map((each) => clip(each, 60)).join(" → "),
    wrapups.map((each) => clip(each, 60)).join(", "),
    [direction, media === "voice" ? "" : media].filter(Boolean).join(" "),
    language ?? "",
  ];
  byId("subtitle").append(...facts.filter(Boolean).map((fact) => el("span", {}, bdi(fact, 160))));
  byId("origin").append(
    "Conversation ",
    el("code", {}, bdi(call.conversation, 200)),
    call.archived ? ` · archived ${moment(Date.parse(call.archived))}` : "",
    ` · ${call.summary.dialect} transcript`,
    call.producer ? ` · ${call.producer}` : "",
  );
  const back = byId<HTMLAnchorElement>("back");
  const home = document.documentElement.dataset.home ?? embedded<string | null>("home");
  if (home) {
    back.href = home;
    back.parentElement?.removeAttribute("hidden");
  }
}

/** The length of the call, and the length of its audio if they differ. */
function lengths(): string {
  const sound = soundLength(call);
  if (!call.length) return "";
  return sound && apart(sound, call.length) ? `call ${duration(call.length)}, sound ${duration(sound)}` : duration(call.length);
}

/** Shows at the top of the page what is missing, outside the audio or damaged. */
function plainly(): void {
  const list = byId("truths");
  const found = truths(call);
  list.hidden = !found.length;
  list.replaceChildren(...found.map(({ kind, words, detail = "" }) => el("li", { className: kind }, behind([words, detail]))));
}

function filters(): void {
  const group = byId("filters");
  const present = (Object.keys(ROLES) as Role[]).filter((role) => call.summary.roles[role]);
  const off = new Set<string>();
  if (present.length < 2) return;
  for (const role of present) {
    const button = el(
      "button",
      { type: "button", className: "chip", data: { role }, aria: { pressed: "true" } },
      el("span", { className: "dot" }),
      `${ROLES[role]} `,
      el("span", { className: "count" }, (call.summary.roles[role] ?? 0).toLocaleString()),
    );
    button.addEventListener("click", () => {
      if (!off.delete(role)) off.add(role);
      button.setAttribute("aria-pressed", String(!off.has(role)));
      transcript.filter(off);
    });
    group.append(button);
  }
}

function controls(): void {
  byId("back5").append(icon("back"));
  byId("ahead5").append(icon("ahead"));
  byId("back5").addEventListener("click", () => player.skip(-5));
  byId("ahead5").addEventListener("click", () => player.skip(5));
  byId("play").addEventListener("click", () => void player.toggle());
  byId("follow").addEventListener("click", () => toggleFollow());
  transcript.onFollow = () => follow();
  const speed = byId<HTMLSelectElement>("speed");
  speed.addEventListener("change", () => (player.speed = Number(speed.value)));
  const zoom = byId<HTMLInputElement>("zoom");
  zoom.addEventListener("input", () => (wave.zoom = Number(zoom.value)));
  const which = byId<HTMLSelectElement>("recording");
  byId("recording-field").hidden = player.recordings.length < 2;
  which.append(...player.recordings.map((_, place, all) => el("option", { value: String(place) }, `${place + 1} of ${all.length}`)));
  which.addEventListener("change", () => player.seek(0, Number(which.value)));
  byId("verdict").addEventListener("click", () => {
    const card = byId(`agreement-${player.recording + 1}`);
    card.scrollIntoView({ block: "center" });
    card.focus({ preventScroll: true });
  });
  keyboard({
    toggle: () => void player.toggle(),
    skip: (seconds) => player.skip(seconds),
    step: (by) => transcript.step(by),
    enter: () => choose(transcript.focused),
    search: () => search.focus(),
    follow: () => toggleFollow(),
    zoom: (factor) => {
      if (factor) wave.zoomBy(factor);
      else wave.zoom = 0;
      zoom.value = String(wave.zoom);
    },
    speed: (by) => {
      speed.selectedIndex = Math.min(Math.max(speed.selectedIndex + by, 0), speed.options.length - 1);
      player.speed = Number(speed.value);
    },
    edge: (end) => player.seek(end ? player.duration : 0),
  });
}

/** Go to a turn, play it if the audio is playing, and put it into the address. */
function choose(place: number): void {
  const turn = call.turns[place];
  if (!turn) return;
  transcript.following = true;
  follow();
  if (turn.start !== undefined || turn.at !== undefined) {
    player.seekTurn(turn);
    if (player.heard) wave.reveal(player.seconds);
  }
  mark(turn.start === undefined ? new Set([place]) : speaking.at(player.ms, place), place);
  history.replaceState(null, "", `#turn=${place + 1}`);
}

/** How far before a time to start playing, so that the listener hears the context. */
const RUN_UP_MS = 500;

/** Go to shortly before the next of several times, and show its turn. After the last one comes the first. */
function visit(moments: number[]): void {
  const next = moments.find((moment) => moment > player.ms + RUN_UP_MS + 50) ?? moments[0] ?? 0;
  transcript.following = true;
  follow();
  player.seekMs(Math.max(next - RUN_UP_MS, 0));
  if (player.heard) wave.reveal(player.seconds);
  const place = speaking.last(next);
  if (place >= 0) transcript.reveal(place);
}

/** Follow the address: `#turn=17` or `#t=12.3`. */
function go(): void {
  const asked = new URLSearchParams(location.hash.slice(1));
  const turn = Number(asked.get("turn"));
  const ms = parse(asked.get("t") ?? "");
  if (call.turns[turn - 1]) choose(turn - 1);
  else if (!Number.isNaN(ms)) {
    player.seekMs(ms);
    if (player.heard) wave.reveal(player.seconds, true);
    const place = speaking.last(player.ms);
    if (place >= 0) transcript.reveal(place, false);
  }
}

let shown = -1;

function moved(ms: number): void {
  const active = speaking.at(ms);
  mark(active, speaking.primary(active));
  transcript.say(ms);
  const slider = byId("wave");
  const tenths = Math.floor(ms / 100);
  if (tenths !== shown) {
    shown = tenths;
    byId("now").textContent = clock(ms, true);
    slider.setAttribute("aria-valuenow", String(Math.round(player.seconds)));
    slider.setAttribute("aria-valuetext", spoken(ms));
  }
  if (player.playing && transcript.following) wave.reveal(player.seconds);
  overview.draw();
}

function mark(active: ReadonlySet<number>, primary: number): void {
  transcript.activate(active, primary);
  wave.highlight(active);
  const turn = call.turns[primary];
  const box = byId("speaking");
  const name = turn ? clip(speaker(call, turn), 40) : "";
  if (box.textContent === name) return;
  box.replaceChildren(...(turn ? [bdi(name)] : []));
  if (turn) box.dataset.role = turn.role;
}

let on = -1;

function changed(): void {
  const playing = player.playing;
  const button = byId("play");
  const name = playing ? "Pause" : "Play";
  if (button.getAttribute("aria-label") !== name || !button.firstChild) {
    button.setAttribute("aria-label", name);
    button.replaceChildren(icon(playing ? "pause" : "play"));
  }
  if (on === player.recording) return;
  if (on >= 0) wave.show();
  on = player.recording;
  byId<HTMLSelectElement>("recording").value = String(on);
  byId("wave").setAttribute("aria-valuemax", String(Math.round(player.duration)));
  byId("length").textContent = duration(player.heard ? player.timeline.ms(player.duration, on) : call.length);
  byId<HTMLInputElement>("zoom").value = String(wave.zoom);
  overview.repaint();
  judge();
  moved(player.ms);
}

function judge(): void {
  const badge = byId("verdict");
  const recording = player.recordings[player.recording];
  badge.hidden = !recording;
  if (!recording) return;
  const told = verdict(recording, outside(call).length > 0);
  badge.className = `verdict ${told.kind}`;
  badge.replaceChildren(el("span", { className: "dot" }), told.name);
  badge.title = told.words;
  const alert = byId("alert");
  alert.hidden = told.kind !== "bad";
  alert.textContent = told.kind === "bad" ? told.words : "";
}

/** Compare with the length that the browser reports. If it plays less, positions after its end cannot be played. */
function played(): void {
  const recording = player.recordings[player.recording];
  const seconds = player.audio.duration;
  if (!recording || !Number.isFinite(seconds) || seconds > player.duration || !apart(seconds * 1000, player.duration * 1000)) return;
  const alert = byId("alert");
  alert.hidden = false;
  alert.textContent = `This browser plays only ${duration(seconds * 1000)} of this recording, which lasts ${duration(player.duration * 1000)}.`;
}

function refused(recording: { codec?: string; type: string }): void {
  const alert = byId("alert");
  alert.hidden = false;
  alert.textContent = `This browser cannot play the recording (${recording.codec || recording.type}). Everything else works.`;
}

function toggleFollow(): void {
  transcript.following = !transcript.following;
  follow();
  const primary = speaking.last(player.ms);
  if (transcript.following && primary >= 0) transcript.reveal(primary);
}

function follow(): void {
  byId("follow").setAttribute("aria-pressed", String(transcript.following));
}

function ready(): void {
  performance.mark("ready");
  document.documentElement.dataset.ready = "shown";
  if (!player.packed) player.attach();
  transcript.complete(() => {
    performance.mark("listed");
    document.documentElement.dataset.ready = "listed";
    // Decode the audio last, so that the text is shown first.
    setTimeout(() => player.attach());
  });
}
