// The current position of the page: that of the media element, or without audio the time that the reader chose.

import { Companion } from "./companion";
import { byId } from "./dom";
import { bytes, type Call, type Recording, type Turn } from "./document";
import { Timeline } from "./timeline";

export interface Listener {
  /** The position changed: milliseconds of the conversation. */
  moved(ms: number): void;
  /** Playback started or stopped, or another recording was selected. */
  changed(): void;
  /** The browser cannot play this recording. */
  refused(recording: Recording): void;
}

export class Player {
  readonly audio = byId<HTMLAudioElement>("audio");
  readonly recordings: Recording[];
  readonly timeline: Timeline;
  recording = 0;
  private readonly urls = new Map<string, string>();
  private readonly second = new Companion(this.audio);
  private readonly listeners: Listener[] = [];
  /** The position to seek to once the audio is loaded; also the position of a page without audio. */
  private pending: number | undefined;
  private still: number;
  /** Play was pressed before the audio was loaded. */
  private eager = false;

  constructor(call: Call) {
    this.recordings = call.recordings ?? [];
    this.timeline = new Timeline(this.recordings);
    this.still = this.heard ? 0 : Math.min(...call.turns.map((turn) => turn.start ?? 0), 0);
    for (const name of ["play", "pause", "ended", "ratechange"]) {
      this.audio.addEventListener(name, () => this.told((listener) => listener.changed()));
    }
    this.audio.addEventListener("loadedmetadata", () => {
      performance.mark("playable");
      document.documentElement.dataset.sound = "ready";
    });
    this.audio.addEventListener("play", () => this.follow());
    for (const name of ["seeked", "timeupdate", "loadedmetadata"]) this.audio.addEventListener(name, () => this.tick());
    this.audio.addEventListener("ended", () => this.goOn());
    this.audio.addEventListener("error", () => {
      const recording = this.recordings[this.recording];
      if (recording && this.audio.src) this.told((listener) => listener.refused(recording));
    });
  }

  get heard(): boolean {
    return this.recordings.length > 0;
  }

  /** Whether the audio is embedded in the page and must be decoded first. */
  get packed(): boolean {
    return this.recordings[this.recording]?.src[0]?.startsWith("#") ?? false;
  }

  get playing(): boolean {
    return !this.audio.paused && !this.audio.ended;
  }

  /** Length of the selected recording, in seconds. */
  get duration(): number {
    const recording = this.recordings[this.recording];
    return recording ? recording.frames / recording.rate : 0;
  }

  get seconds(): number {
    return this.pending ?? this.audio.currentTime;
  }

  get ms(): number {
    return this.heard ? this.timeline.ms(this.seconds, this.recording) : this.still;
  }

  listen(listener: Listener): void {
    this.listeners.push(listener);
  }

  /** Load the bytes into the media element. Deferred, because decoding an hour of audio takes a moment. */
  attach(): void {
    const recording = this.recordings[this.recording];
    if (!recording || this.audio.src) return;
    // The audio comes after the script in the page, so it may not be there yet.
    if (this.packed && document.readyState === "loading") {
      return document.addEventListener("DOMContentLoaded", () => this.attach(), { once: true });
    }
    const [first = "", other] = recording.src.map((src) => this.url(src, recording.type));
    this.second.play(other);
    this.audio.src = first;
    if (this.pending !== undefined) this.audio.currentTime = this.pending;
    this.pending = undefined;
    if (this.eager) void this.toggle();
  }

  async toggle(): Promise<void> {
    if (!this.heard) return;
    if (this.playing) return this.audio.pause();
    this.eager = false;
    this.attach();
    if (!this.audio.src) {
      this.eager = true;
      return;
    }
    try {
      await this.audio.play();
    } catch (refusal) {
      // A newer seek or a pause interrupts a pending start. That is not an error.
      if (!(refusal instanceof DOMException && refusal.name === "AbortError")) this.audio.pause();
    }
  }

  /** Seek to the exact first sample of a turn. */
  seekTurn(turn: Turn): void {
    if (this.heard && turn.at !== undefined) {
      const recording = this.recordings[turn.rec ?? 0];
      this.seek(turn.at / (recording?.rate ?? 1), turn.rec ?? 0);
    } else if (turn.start !== undefined) this.seekMs(turn.start);
  }

  seekMs(ms: number): void {
    if (!this.heard) {
      this.still = ms;
      return this.told((listener) => listener.moved(ms));
    }
    const place = this.timeline.place(ms, this.recording);
    this.seek(place.seconds, place.recording);
  }

  seek(seconds: number, recording = this.recording): void {
    const wanted = Math.min(Math.max(seconds, 0), Math.max(this.recordings[recording] ? this.length(recording) : 0, 0));
    if (recording !== this.recording) this.change(recording);
    if (this.audio.src) this.audio.currentTime = wanted;
    else this.pending = wanted;
    this.tick();
  }

  skip(seconds: number): void {
    if (this.heard) this.seek(this.seconds + seconds);
    else this.seekMs(this.still + seconds * 1000);
  }

  change(recording: number): void {
    const playing = this.playing;
    const rate = this.audio.playbackRate;
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.recording = recording;
    this.pending = 0;
    this.attach();
    this.audio.playbackRate = rate;
    if (playing) void this.toggle();
    this.told((listener) => listener.changed());
  }

  set speed(rate: number) {
    this.audio.defaultPlaybackRate = rate;
    this.audio.playbackRate = rate;
  }

  private url(src: string, type: string): string {
    if (!src.startsWith("#")) return src;
    const known = this.urls.get(src) ?? URL.createObjectURL(new Blob([bytes(src.slice(1))], { type }));
    this.urls.set(src, known);
    return known;
  }

  private length(recording: number): number {
    const found = this.recordings[recording];
    return found ? found.frames / found.rate : 0;
  }

  private goOn(): void {
    if (this.recording + 1 >= this.recordings.length) return;
    this.change(this.recording + 1);
    void this.toggle();
  }

  private follow(): void {
    const step = () => {
      this.tick();
      if (this.playing) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  private tick(): void {
    const { ms } = this;
    this.told((listener) => listener.moved(ms));
  }

  private told(what: (listener: Listener) => void): void {
    this.listeners.forEach(what);
  }
}
