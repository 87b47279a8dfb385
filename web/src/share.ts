// Copy or save the call: as text, as WebVTT, as a link.

import { captions } from "./captions";
import { type Call, speaker, type Turn } from "./document";
import { announce, byId, el } from "./dom";
import type { Player } from "./player";
import { clock, cue } from "./times";

export function asText(call: Call): string {
  const lines = call.turns.map((turn) => {
    const when = turn.start === undefined ? "" : `[${clock(turn.start)}] `;
    return `${when}${flat(speaker(call, turn))}: ${flat(turn.text)}`;
  });
  return `${lines.join("\n")}\n`;
}

/** WebVTT in the time of the selected recording, or without one in the conversation's. */
export function asVtt(call: Call, player: Player): string {
  const when = (ms: number) => (player.heard ? player.timeline.seconds(ms, player.recording) * 1000 : ms);
  const cues = call.turns
    .filter((turn) => timed(turn) && (!player.heard || (turn.rec ?? 0) === player.recording))
    .flatMap((turn) => captions(turn, turn.start ?? 0, turn.end ?? 0).map((one) => ({ turn, ...one })))
    .map(({ start, end, ...more }) => ({ from: when(start), to: when(end), ...more }))
    .filter(({ from, to }) => to > from);
  const blocks = cues.map(
    ({ turn, from, to, lines }, place) =>
      `${place + 1}\n${cue(from)} --> ${cue(to)}\n<v ${escaped(speaker(call, turn))}>${lines.map(escaped).join("\n")}`,
  );
  return `WEBVTT\n\n${blocks.join("\n\n")}\n`;
}

function timed(turn: Turn): boolean {
  return turn.start !== undefined && turn.end !== undefined;
}

function flat(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function escaped(text: string): string {
  return flat(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

export function shareMenu(call: Call, player: Player): void {
  const menu = byId("share-menu");
  const button = byId("share");
  const choice = (words: string, act: () => void) => {
    const made = el("button", { type: "button", className: "choice" }, words);
    made.setAttribute("role", "menuitem");
    made.addEventListener("click", () => {
      menu.hidePopover();
      act();
    });
    menu.append(made);
  };
  choice("Copy as text", () => void copy(asText(call), "The transcript"));
  choice("Copy as WebVTT", () => void copy(asVtt(call, player), "The transcript as WebVTT"));
  choice("Save as WebVTT", () => save(asVtt(call, player), `${call.conversation}.vtt`, "text/vtt"));
  choice("Copy a link to this moment", () => {
    const address = location.href.split("#")[0];
    void copy(`${address}#t=${(Math.max(player.ms, 0) / 1000).toFixed(1)}`, "The link");
  });
  choice("Print", () => window.print());
  menu.addEventListener("toggle", (event) => {
    if ((event as ToggleEvent).newState !== "open") return;
    const { bottom, right } = button.getBoundingClientRect();
    menu.style.top = `${bottom + 6}px`;
    menu.style.right = `${Math.max(document.documentElement.clientWidth - right, 8)}px`;
    menu.querySelector("button")?.focus();
  });
  menu.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const choices = [...menu.querySelectorAll("button")];
    const place = choices.indexOf(document.activeElement as HTMLButtonElement);
    choices[(place + by + choices.length) % choices.length]?.focus();
  });
}

async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { value: text, className: "sr" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(`${what} is copied`);
}

function save(text: string, name: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function toast(text: string): void {
  announce(text);
  const shown = el("div", { className: "toast", aria: { hidden: "true" } }, text);
  document.body.append(shown);
  setTimeout(() => shown.remove(), 2200);
}
