// Conversation milliseconds <-> seconds of a recording, by the segments that the alignment computed. Pure.

import type { Recording } from "./document";

export interface Place {
  recording: number;
  seconds: number;
}

export class Timeline {
  constructor(private readonly recordings: Recording[]) {}

  /** Seconds of a recording at a moment of the conversation; in a stretch that was cut, where the audio goes on. */
  seconds(ms: number, recording: number): number {
    const { segments = [], rate } = this.recordings[recording] ?? { rate: 1 };
    for (const [start, end, from, to] of segments) {
      if (ms < start) return from / rate;
      if (ms < end) return (from + ((ms - start) * (to - from)) / (end - start)) / rate;
    }
    return (segments.at(-1)?.[3] ?? 0) / rate;
  }

  /** The moment of the conversation that a recording plays after so many seconds. */
  ms(seconds: number, recording: number): number {
    const { segments = [], rate } = this.recordings[recording] ?? { rate: 1 };
    const sample = seconds * rate;
    for (const [start, end, from, to] of segments) {
      if (sample < from) return start;
      if (sample < to) return start + ((sample - from) * (end - start)) / (to - from);
    }
    return segments.at(-1)?.[1] ?? 0;
  }

  /** Which recording has this moment: `preferred` if it does, else the first that does, else the nearest. */
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
