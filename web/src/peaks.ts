// Reads audiowaveform's .dat, version 2, into the heights that are drawn.

export interface Peaks {
  /** Per channel, the largest magnitude of each stretch of samples, 0 to 1. */
  channels: Float32Array[];
}

export function readPeaks(data: Uint8Array): Peaks | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.byteLength < 24 || view.getInt32(0, true) !== 2) return undefined;
  const wide = (view.getUint32(4, true) & 1) === 0;
  const count = view.getInt32(20, true);
  const size = wide ? 2 : 1;
  const length = Math.min(view.getUint32(16, true), Math.floor((data.byteLength - 24) / (2 * size * count)));
  const read = wide ? (at: number) => view.getInt16(at, true) / 32768 : (at: number) => view.getInt8(at) / 128;
  const channels = Array.from({ length: count }, () => new Float32Array(length));
  let at = 24;
  for (let i = 0; i < length; i++) {
    for (const channel of channels) {
      channel[i] = Math.max(Math.abs(read(at)), Math.abs(read(at + size)));
      at += 2 * size;
    }
  }
  return { channels };
}
