// Converts between milliseconds of the conversation and seconds of a recording, by the segments of the alignment.

import type { Recording } from "./document";

export interface Place {
  recording: number;
  seconds: number;
}

export class Timeline {
  constructor(private readonly recordings: Recording[]) {}

  /** The recording's second at a time of the conversation. In a cut, that is where the audio continues. */
  seconds(ms: number, recording: number): number {
    const { segments = [], rate } = this.recordings[recording] ?? { rate: 1 };
    for (const [start, end, from, to] of segments) {
      if (ms < start) return from / rate;
      if (ms < end) return (from + ((ms - start) * (to - from)) / (end - start)) / rate;
    }
    return (segments.at(-1)?.[3] ?? 0) / rate;
  }

  /** The time of the conversation at a second of a recording. */
  ms(seconds: number, recording: number): number {
    const { segments = [], rate } = this.recordings[recording] ?? { rate: 1 };
    const sample = seconds * rate;
    for (const [start, end, from, to] of segments) {
      if (sample < from) return start;
      if (sample < to) return start + ((sample - from) * (end - start)) / (to - from);
    }
    return segments.at(-1)?.[1] ?? 0;
  }

  /** The recording that contains this time: `preferred` if it does, else the first that does, else the nearest. */
  place(ms: number, preferred: number): Place {
    const has = (place: number) => this.recordings[place]?.segments?.some(([start, end]) => start <= ms && ms < end);
    let best = preferred;
    if (!has(preferred)) {
      const others = this.recordings.map((_, place) => place);
      best = others.find(has) ?? others.sort((a, b) => this.distance(ms, a) - this.distance(ms, b))[0] ?? 0;
    }
    return { recording: best, seconds: this.seconds(ms, best) };
  }

  private distance(ms: number, recording: number): number {
    const segments = this.recordings[recording]?.segments ?? [];
    return Math.min(...segments.map(([start, end]) => Math.max(start - ms, ms - end, 0)), Number.MAX_SAFE_INTEGER);
  }
}
