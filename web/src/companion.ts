// Plays the second file of a call whose sides were recorded into two files, in step with the first.

/** The second file is moved if it is further away than this, in seconds. */
const APART = 0.05;

export class Companion {
  private readonly audio = new Audio();
  private on = false;

  constructor(private readonly leader: HTMLAudioElement) {
    this.audio.preload = "auto";
    leader.addEventListener("play", () => this.start());
    leader.addEventListener("pause", () => this.audio.pause());
    leader.addEventListener("seeked", () => this.align(0));
    leader.addEventListener("timeupdate", () => this.align(APART));
    leader.addEventListener("ratechange", () => (this.audio.playbackRate = leader.playbackRate));
  }

  /** The other side's file; undefined where one file holds both. */
  play(url: string | undefined): void {
    this.on = url !== undefined;
    this.audio.pause();
    if (url === undefined) this.audio.removeAttribute("src");
    else this.audio.src = url;
  }

  private start(): void {
    if (!this.on) return;
    this.align(0);
    // If the browser refuses to play it, only the first side is heard.
    this.audio.play().catch(() => undefined);
  }

  private align(slack: number): void {
    if (!this.on) return;
    const wanted = Math.min(this.leader.currentTime, Number.isFinite(this.audio.duration) ? this.audio.duration : Infinity);
    if (Math.abs(this.audio.currentTime - wanted) > slack) this.audio.currentTime = wanted;
  }
}
