// The waveform, one lane per channel, with turns, overtalk, cuts and the time drawn over it.

import WaveSurfer from "wavesurfer.js";
import { type Call, channelName, channelOf } from "./document";
import { byId, el } from "./dom";
import { type Palette, palette, sized } from "./palette";
import type { Peaks } from "./peaks";
import type { Player } from "./player";
import { clock, lasting, pauseName } from "./times";

declare const CHANNEL_HEIGHT: number;
const AXIS = 18;
const CLOSEST = 200;
/** The initial view shows at most this many seconds. */
const WHOLE = 300;
const AT_ONCE = 180;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];

export class Wave {
  private surfer: WaveSurfer | undefined;
  private readonly marks = byId<HTMLCanvasElement>("marks");
  private readonly voices = byId<HTMLCanvasElement>("voices");
  private readonly box = byId("wave");
  private pixelsPerSecond = 0;
  private active: ReadonlySet<number> = new Set();
  private pending = 0;
  /** Called with the range in view, in seconds, when it changes. */
  onView: (start: number, end: number) => void = () => undefined;

  constructor(
    private readonly call: Call,
    private readonly player: Player,
    private readonly peaks: (recording: number) => Peaks | undefined,
  ) {
    new ResizeObserver(() => this.draw()).observe(this.box);
    this.box.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey) return;
        event.preventDefault();
        this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
      },
      { passive: false },
    );
  }

  /** Draw the selected recording. */
  show(): void {
    this.surfer?.destroy();
    const recording = this.player.recordings[this.player.recording];
    const peaks = this.peaks(this.player.recording);
    if (!recording || !peaks?.channels.length) {
      this.box.hidden = true;
      return;
    }
    this.box.hidden = false;
    const roles = peaks.channels.map((_, channel) => recording.roles?.[channel] ?? "unknown");
    this.box.style.height = `${CHANNEL_HEIGHT * roles.length + AXIS}px`;
    byId("lanes").replaceChildren(
      ...roles.map((role, channel) => {
        const label = el("span", { className: "lane" }, role === "agent" ? "Others" : channelName(role));
        label.style.top = `${channel * CHANNEL_HEIGHT}px`;
        label.style.height = `${CHANNEL_HEIGHT}px`;
        return label;
      }),
    );
    this.pixelsPerSecond = this.player.duration > WHOLE ? this.width / AT_ONCE : 0;
    this.surfer = WaveSurfer.create({
      container: byId("surfer"),
      media: this.player.audio,
      peaks: peaks.channels,
      duration: this.player.duration,
      height: CHANNEL_HEIGHT,
      splitChannels: this.colours(roles.length),
      cursorWidth: 2,
      barWidth: 2,
      barGap: 1,
      barRadius: 2,
      barHeight: 1,
      maxPeak: Math.max(0.25, ...peaks.channels.map((channel) => channel.reduce((a, b) => Math.max(a, b), 0))),
      normalize: true,
      hideScrollbar: true,
      autoScroll: false,
      autoCenter: false,
      minPxPerSec: this.pixelsPerSecond,
      dragToSeek: { debounceTime: 0 },
      cursorColor: palette().accent,
    });
    this.surfer.on("interaction", (seconds) => this.player.seek(seconds));
    this.surfer.on("scroll", () => this.seen());
    this.surfer.on("zoom", () => this.seen());
    this.surfer.on("redraw", () => this.seen());
    this.surfer.on("ready", () => {
      this.seen();
      this.reveal(this.player.seconds);
    });
  }

  /** Redraw after the colours have changed. */
  repaint(): void {
    const recording = this.player.recordings[this.player.recording];
    const peaks = this.peaks(this.player.recording);
    if (!this.surfer || !recording || !peaks) return;
    this.surfer.setOptions({ splitChannels: this.colours(peaks.channels.length), cursorColor: palette().accent });
    this.draw();
  }

  highlight(active: ReadonlySet<number>): void {
    this.active = active;
    this.draw();
  }

  /** Zoom as a number from 0, the whole call, to 100. */
  get zoom(): number {
    const fit = this.width / this.player.duration;
    if (this.pixelsPerSecond <= fit || fit >= CLOSEST) return 0;
    return (100 * Math.log(this.pixelsPerSecond / fit)) / Math.log(CLOSEST / fit);
  }

  set zoom(value: number) {
    const fit = this.width / this.player.duration;
    this.scale(value <= 0 ? 0 : fit * Math.pow(Math.max(CLOSEST / fit, 1), value / 100));
  }

  zoomBy(factor: number): void {
    const fit = this.width / this.player.duration;
    const next = Math.max(this.pixelsPerSecond, fit) * factor;
    this.scale(next <= fit ? 0 : Math.min(next, Math.max(CLOSEST, fit)));
  }

  get zoomed(): boolean {
    return this.view[1] - this.view[0] < this.player.duration - 0.01;
  }

  /** The seconds in view. */
  get view(): [number, number] {
    if (!this.surfer) return [0, this.player.duration];
    const total = this.surfer.getWrapper().clientWidth || this.width;
    const perSecond = total / this.player.duration;
    const start = this.surfer.getScroll() / perSecond;
    return [start, Math.min(start + this.width / perSecond, this.player.duration)];
  }

  /** Scroll a time into view, in seconds. */
  reveal(seconds: number, always = false): void {
    const [start, end] = this.view;
    if (always || seconds < start || seconds > end - (end - start) * 0.05) {
      this.surfer?.setScrollTime(Math.max(seconds - (end - start) * (always ? 0.5 : 0.1), 0));
      this.seen();
    }
  }

  private get width(): number {
    return this.marks.clientWidth || 1;
  }

  private scale(pixelsPerSecond: number): void {
    const [start, end] = this.view;
    const now = this.player.seconds;
    const centre = now >= start && now <= end ? now : (start + end) / 2;
    this.pixelsPerSecond = pixelsPerSecond;
    this.surfer?.zoom(pixelsPerSecond);
    const shown = this.view[1] - this.view[0];
    this.surfer?.setScrollTime(Math.max(centre - shown / 2, 0));
    this.seen();
  }

  /** Channels are drawn in grey, then coloured by the current speaker (`colour`), as several may speak on one channel. */
  private colours(channels: number) {
    const { wave, waveTint } = palette();
    return Array.from({ length: channels }, () => ({ waveColor: waveTint, progressColor: wave, overlay: false }));
  }

  private colour(x: (ms: number) => number): void {
    const context = sized(this.voices);
    const recording = this.player.recordings[this.player.recording];
    if (!context || !recording) return;
    const colours = palette();
    const channels = Math.max(recording.roles?.length ?? 1, 1);
    const lane = this.voices.clientHeight / channels;
    for (const turn of this.call.turns) {
      if (turn.start === undefined || turn.end === undefined || turn.dup || (turn.rec ?? 0) !== this.player.recording) continue;
      if (turn.flags?.includes("outside")) continue;
      const [from, to] = [x(turn.start), x(turn.end)];
      if (to < -1 || from > this.voices.clientWidth + 1) continue;
      context.fillStyle = colours.voice(this.call, turn);
      context.fillRect(from, lane * channelOf(turn.role, recording.roles ?? []), Math.max(to - from, 2), lane);
    }
  }

  private seen(): void {
    this.onView(...this.view);
    this.draw();
  }

  private draw(): void {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.paint();
    });
  }

  private paint(): void {
    const context = sized(this.marks);
    if (!context || this.box.hidden) return;
    const colours = palette();
    const [start, end] = this.view;
    const { clientWidth: width, clientHeight: height } = this.marks;
    const lanes = height - AXIS;
    const recording = this.player.recording;
    const x = (ms: number) => ((this.player.timeline.seconds(ms, recording) - start) / (end - start)) * width;
    this.colour(x);
    for (const mark of this.call.marks) {
      const from = x(mark.start);
      const to = x(mark.end);
      if (to < -1 || from > width + 1) continue;
      if (mark.kind === "overtalk") {
        context.fillStyle = colours.overtalk;
        context.globalAlpha = 0.16;
        context.fillRect(from, 0, Math.max(to - from, 1.5), lanes);
        context.globalAlpha = 1;
        context.fillRect(from, lanes / 2 - 1, Math.max(to - from, 2), 2);
      } else if (mark.kind === "cut") {
        context.strokeStyle = colours.cut;
        context.setLineDash([3, 3]);
        context.beginPath();
        context.moveTo(Math.round(from) + 0.5, 0);
        context.lineTo(Math.round(from) + 0.5, lanes);
        context.stroke();
        context.setLineDash([]);
        const room = (this.call.marks.find((next) => next.start > mark.start && next.kind === "cut")?.start ?? Infinity) - mark.start;
        if (room * (width / (end - start)) > 110_000) label(context, `✂ ${lasting(mark.end - mark.start)}`, from + 4, lanes, colours);
      } else if (mark.kind === "pause") {
        context.fillStyle = colours.line;
        context.globalAlpha = 0.5;
        context.fillRect(from, 0, to - from, lanes);
        context.globalAlpha = 1;
        if (to - from > 60) label(context, pauseName(mark.reason), from + 4, lanes, colours);
      }
    }
    this.bands(context, x, lanes, colours);
    this.axis(context, start, end, width, height);
  }

  private bands(context: CanvasRenderingContext2D, x: (ms: number) => number, lanes: number, colours: Palette): void {
    for (const place of this.active) {
      const turn = this.call.turns[place];
      if (turn?.start === undefined || (turn.rec ?? 0) !== this.player.recording) continue;
      const from = x(turn.start);
      const to = Math.max(x(turn.end ?? turn.start), from + 2);
      context.fillStyle = colours.voice(this.call, turn);
      context.globalAlpha = 0.12;
      context.fillRect(from, 0, to - from, lanes);
      context.globalAlpha = 0.7;
      context.fillRect(from, 0, to - from, 2);
      context.globalAlpha = 1;
    }
  }

  private axis(context: CanvasRenderingContext2D, start: number, end: number, width: number, height: number): void {
    const colours = palette();
    const perSecond = width / (end - start);
    const step = STEPS.find((each) => each * perSecond >= 64) ?? 3600;
    context.fillStyle = colours.muted;
    context.font = "11px ui-sans-serif, system-ui, sans-serif";
    context.textBaseline = "bottom";
    context.fillStyle = colours.line;
    context.fillRect(0, height - AXIS, width, 1);
    // Ticks are at round times of the conversation. A tick inside a cut is left out.
    const { timeline, recording } = this.player;
    const last = timeline.ms(end, recording) / 1000;
    for (let tick = Math.ceil(timeline.ms(start, recording) / 1000 / step); tick * step <= last; tick++) {
      const ms = tick * step * 1000;
      const seconds = timeline.seconds(ms, recording);
      if (Math.abs(timeline.ms(seconds, recording) - ms) > 1) continue;
      const at = (seconds - start) * perSecond;
      context.fillStyle = colours.line;
      context.fillRect(Math.round(at), height - AXIS, 1, 5);
      const time = clock(ms, step < 1);
      if (at + 4 + context.measureText(time).width > width) continue;
      context.fillStyle = colours.muted;
      context.fillText(time, at + 4, height - 1);
    }
  }
}

function label(context: CanvasRenderingContext2D, words: string, x: number, lanes: number, colours: Palette): void {
  context.font = "600 11px ui-sans-serif, system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = colours.surface;
  context.globalAlpha = 0.85;
  context.fillRect(x - 2, lanes / 2 - 8, context.measureText(words).width + 4, 16);
  context.globalAlpha = 1;
  context.fillStyle = colours.muted;
  context.fillText(words, x, lanes / 2);
}
