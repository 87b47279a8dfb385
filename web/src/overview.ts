// The overview strip: the waveform of the whole call (without audio its turns), and the part that is in view.

import { type Call, channelOf } from "./document";
import { byId } from "./dom";
import { type Palette, palette, sized } from "./palette";
import type { Peaks } from "./peaks";
import type { Player } from "./player";

export class Overview {
  private readonly canvas = byId<HTMLCanvasElement>("overview");
  private view: [number, number] | undefined;
  private pending = 0;
  private layer: HTMLCanvasElement | undefined;
  private drawn = "";

  constructor(
    private readonly call: Call,
    private readonly player: Player,
    private readonly peaks: (recording: number) => Peaks | undefined,
    private readonly chosen: (ratio: number) => void,
  ) {
    const seek = (event: PointerEvent) => {
      const { left, width } = this.canvas.getBoundingClientRect();
      this.chosen(Math.min(Math.max((event.clientX - left) / width, 0), 1));
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      seek(event);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) seek(event);
    });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  show(view?: [number, number]): void {
    this.view = view;
    this.draw();
  }

  repaint(): void {
    this.drawn = "";
    this.draw();
  }

  draw(): void {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.paint();
    });
  }

  private paint(): void {
    const context = sized(this.canvas);
    if (!context) return;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const key = `${width}×${height}×${this.player.recording}`;
    if (this.drawn !== key || !this.layer) {
      this.layer = document.createElement("canvas");
      this.layer.width = this.canvas.width;
      this.layer.height = this.canvas.height;
      const below = this.layer.getContext("2d");
      below?.setTransform(this.canvas.width / width, 0, 0, this.canvas.width / width, 0, 0);
      const peaks = this.player.heard ? this.peaks(this.player.recording) : undefined;
      if (below && peaks) this.waves(below, peaks, width, height);
      else if (below) this.turns(below, width, height);
      this.drawn = key;
    }
    context.drawImage(this.layer, 0, 0, width, height);
    const colours = palette();
    const length = this.player.heard ? this.player.duration : this.call.length;
    if (this.view && length) {
      const [from, to] = this.view.map((seconds) => (seconds / length) * width) as [number, number];
      context.fillStyle = colours.surface;
      context.globalAlpha = 0.66;
      context.fillRect(0, 0, from, height);
      context.fillRect(to, 0, width - to, height);
      context.globalAlpha = 1;
      context.strokeStyle = colours.accent;
      context.lineWidth = 1.5;
      context.beginPath();
      context.roundRect(from + 0.75, 0.75, Math.max(to - from - 1.5, 3), height - 1.5, 4);
      context.stroke();
    }
    const now = this.player.heard ? this.player.seconds : this.player.ms;
    context.fillStyle = colours.accent;
    context.fillRect((now / (length || 1)) * width - 1, 0, 2, height);
  }

  private waves(context: CanvasRenderingContext2D, peaks: Peaks, width: number, height: number): void {
    const colours = palette();
    const roles = this.player.recordings[this.player.recording]?.roles ?? [];
    const largest = Math.max(0.25, ...peaks.channels.map((channel) => channel.reduce((a, b) => Math.max(a, b), 0)));
    const single = peaks.channels.length === 1;
    const voices = this.voices(width, roles, colours);
    peaks.channels.slice(0, 2).forEach((channel, place) => {
      for (let x = 0; x < width; x++) {
        context.fillStyle = voices[place]?.[x] ?? colours.waveTint;
        const to = Math.max(Math.floor(((x + 1) * channel.length) / width), Math.floor((x * channel.length) / width) + 1);
        let peak = 0;
        for (let i = Math.floor((x * channel.length) / width); i < to; i++) peak = Math.max(peak, channel[i] ?? 0);
        const tall = Math.max((peak / largest) * (height / 2 - 2), 0.5);
        if (single) context.fillRect(x, height / 2 - tall, 1, tall * 2);
        else context.fillRect(x, place ? height / 2 + 0.5 : height / 2 - 0.5 - tall, 1, tall);
      }
    });
  }

  /** For each channel, the speaker's colour at each pixel. */
  private voices(width: number, roles: string[], colours: Palette): (string | undefined)[][] {
    const found: (string | undefined)[][] = [[], []];
    const { timeline, recording, duration } = this.player;
    for (const turn of this.call.turns) {
      if (turn.start === undefined || turn.end === undefined || turn.dup || (turn.rec ?? 0) !== recording) continue;
      if (turn.flags?.includes("outside")) continue;
      const colour = colours.voice(this.call, turn);
      const place = (ms: number) => (timeline.seconds(ms, recording) / (duration || 1)) * width;
      const lane = found[channelOf(turn.role, roles)];
      for (let x = Math.floor(place(turn.start)); lane && x <= place(turn.end) && x < width; x++) lane[x] = colour;
    }
    return found;
  }

  private turns(context: CanvasRenderingContext2D, width: number, height: number): void {
    const colours = palette();
    const length = this.call.length || 1;
    const lane = (height - 6) / 2;
    for (const turn of this.call.turns) {
      if (turn.start === undefined || turn.end === undefined) continue;
      const x = (turn.start / length) * width;
      context.fillStyle = colours.voice(this.call, turn);
      context.beginPath();
      const wide = Math.max(((turn.end - turn.start) / length) * width - 0.5, 1);
      context.roundRect(x, turn.role === "customer" ? 2 : lane + 4, wide, lane, Math.min(2, wide / 2));
      context.fill();
    }
  }
}
