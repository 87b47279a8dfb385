// Formats and parses times.

const pad = (value: number, width = 2) => String(value).padStart(width, "0");

/** 1:02 or 1:02:03, rounded down to seconds; `tenths` adds one decimal. Negative times have a sign. */
export function clock(ms: number, tenths = false): string {
  const units = Math.floor(Math.abs(ms) / 100);
  const seconds = Math.floor(units / 10);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const head = hours ? `${hours}:${pad(minutes)}` : String(minutes);
  const sign = ms < 0 && units ? "−" : "";
  return `${sign}${head}:${pad(seconds % 60)}${tenths ? `.${units % 10}` : ""}`;
}

/** "1 minute 5 seconds", for screen readers. */
export function spoken(ms: number): string {
  const seconds = Math.round(Math.max(ms, 0) / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 3600), "hour"],
    [Math.floor(seconds / 60) % 60, "minute"],
    [seconds % 60, "second"],
  ];
  const said = parts.filter(([count]) => count).map(([count, unit]) => `${count} ${unit}${count === 1 ? "" : "s"}`);
  return said.join(" ") || "0 seconds";
}

/** How long a call or a recording is, the same way everywhere: 0:31, 1:05, 1:02:03, to the nearest second. */
export function duration(ms: number): string {
  return clock(Math.round(ms / 1000) * 1000);
}

/** How long a part of it lasts: 4.2 s, and from a minute on as `duration`. */
export function lasting(ms: number): string {
  return Math.round(ms / 100) < 600 ? `${(ms / 1000).toFixed(1)} s` : duration(ms);
}

/** hh:mm:ss.mmm as WebVTT wants it. */
export function cue(ms: number): string {
  const whole = Math.max(Math.round(ms), 0);
  const seconds = Math.floor(whole / 1000);
  return `${pad(Math.floor(seconds / 3600))}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}.${pad(whole % 1000, 3)}`;
}

/** "12.3", "1:02", "1:02:03.5" as milliseconds; NaN for anything else. */
export function parse(text: string): number {
  if (!/^\d+(:\d{1,2}){0,2}(\.\d+)?$/.test(text)) return NaN;
  return Math.round(text.split(":").reduce((total, part) => total * 60 + Number(part), 0) * 1000);
}

const MOMENT: Intl.DateTimeFormatOptions = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };
const ZONED: Intl.DateTimeFormatOptions = { ...MOMENT, timeZoneName: "short" };

/** A day and a time in the reader's own zone, and which zone that is. */
export function moment(epoch: number, zone = true): string {
  const shown = new Date(epoch);
  return Number.isNaN(shown.getTime()) ? "" : shown.toLocaleString(undefined, zone ? ZONED : MOMENT);
}

/** A range of times. What both have in common (day, zone) is shown once. */
export function period(first: number, last: number): string {
  return new Intl.DateTimeFormat(undefined, ZONED).formatRange(first, last);
}

/** What the platform calls a pause, in words. */
export function pauseName(reason = ""): string {
  const named: Record<string, string> = { SecurePause: "Secure pause", Hold: "Hold", Pause: "Pause", FlowOrQueue: "In the queue" };
  return named[reason] ?? "Pause";
}
