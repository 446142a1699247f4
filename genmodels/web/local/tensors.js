// Numbers as the answers need them. Pictures are Float32Array in channel, height, width order with values in [-1, 1], as the
// networks speak; answers hold base64 of bytes in height, width, channel order. Sums are rounded to float32 where torch's are.
import { bytesOf, textOf } from '../elements/bytes.js';

const round = Math.fround;

/** [0, 1, …, n - 1] */
export const range = (n, first = 0) => Array.from({ length: n }, (_, i) => first + i);

export const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

/** Several arrays of floats, one after the other. @param {ArrayLike<number>[]} parts */
export function joined(parts) {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Of a batch the rows from `first` to `end`. */
export const rows = (values, size, first, end = first + 1) => values.subarray(first * size, end * size);

/** a + t (b - a), number by number, as torch.lerp computes it. */
export function lerp(a, b, t) {
  return a.map((value, i) =>
    t < 0.5 ? value + round(round(t) * round(b[i] - value)) : b[i] - round(round(b[i] - value) * round(1 - round(t))),
  );
}

/** n numbers from a to b. */
export const linspace = (a, b, n) => range(n).map((i) => (n === 1 ? a : round(a + ((b - a) * i) / (n - 1))));

/** torch.round: halves to the even number. */
export function halfToEven(value) {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

export const clamp = (value, low = -1, high = 1) => Math.max(low, Math.min(high, value));

/** A value in [-1, 1] as one of the 256 grey levels. */
export const level = (value) => clamp(halfToEven(round(round(value + 1) * 127.5)), 0, 255);

/** A drawing's base64 as the networks see it. @param {number[]} shape of it: [C, H, W] @returns {Float32Array} */
export function fromPad(text, [c, h, w]) {
  const bytes = bytesOf(text);
  const image = new Float32Array(c * h * w);
  for (let i = 0; i < h * w; i++) for (let k = 0; k < c; k++) image[k * h * w + i] = round(round(bytes[i * c + k] / 127.5) - 1);
  return image;
}

/** Pictures as an answer has them. @param {Float32Array} images n of them @param {number[]} shape of each: [C, H, W] */
export function pictures(images, [c, h, w]) {
  const size = c * h * w;
  const n = images.length / size;
  const bytes = new Uint8Array(images.length);
  for (let p = 0; p < n; p++)
    for (let k = 0; k < c; k++) for (let i = 0; i < h * w; i++) bytes[p * size + i * c + k] = level(images[p * size + k * h * w + i]);
  return { pixels: textOf(bytes), shape: [n, c, h, w] };
}

/** The mean of squared differences, in float64. */
export function meanSquaredError(a, b) {
  return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length;
}

/** The share in percent of sorted numbers that are below a value. */
export function shareBelow(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return (100 * low) / sorted.length;
}
