// The sections of models that write pixel by pixel; see genmodels/wrappers/autoregressive.py.
import { bytesOf, textOf } from '../elements/bytes.js';
import { batch, labelled } from './model.js';
import { clamp, fromPad, halfToEven } from './tensors.js';

const [TENTHS, UNKNOWN] = [10, 255]; // bits travel as bytes: so many to the bit

/** A pointer asks for one pixel after the other of the same picture: the network looks at it once. */
const kept = { asked: null, found: null };

/** The levels of a picture, and the log-probabilities of all levels of its pixels, both in channel, height, width order. */
async function expectations(picture, model) {
  const asked = `${model.name} ${picture}`;
  if (kept.asked !== asked) {
    const images = batch(fromPad(picture, model.shape), ...model.shape);
    const { log_probabilities: logs } = await model.run('log_probabilities', { images, labels: labelled([-1]) });
    const [c, h, w] = model.shape;
    const count = logs.length / (c * h * w);
    const bytes = bytesOf(picture);
    const levels = Uint8Array.from(logs.subarray(0, c * h * w), (_, i) =>
      halfToEven((bytes[(i % (h * w)) * c + Math.floor(i / (h * w))] * (count - 1)) / 255),
    );
    Object.assign(kept, { asked, found: { levels, logs, count } });
  }
  return kept.found;
}

async function surprise({ picture }, model) {
  const { levels, logs, count } = await expectations(picture, model);
  const [c, h, w] = model.shape;
  const bits = new Float64Array(h * w);
  levels.forEach((level, i) => (bits[i % (h * w)] -= logs[i * count + level] / Math.LN2));
  const bytes = Uint8Array.from(bits, (value) => clamp(halfToEven(value * TENTHS), 0, UNKNOWN - 1));
  return { picture: { pixels: picture, shape: [1, c, h, w] }, bits: textOf(bytes) };
}

async function expect({ picture, x, y }, model) {
  const { levels, logs, count } = await expectations(picture, model);
  const [c, h, w] = model.shape;
  const channels = Array.from({ length: c }, (_, k) => {
    const at = (k * h + y) * w + x;
    const log = Float64Array.from(logs.subarray(at * count, (at + 1) * count));
    const p = log.map(Math.exp);
    const entropy = -p.reduce((sum, value, i) => sum + value * log[i], 0) / Math.LN2;
    const probabilities = Array.from(p, (value) => Number(value.toFixed(6)));
    return { probabilities, level: levels[at], bits: -log[levels[at]] / Math.LN2, entropy };
  });
  const [bits, entropy] = ['bits', 'entropy'].map((key) => channels.reduce((sum, channel) => sum + channel[key], 0));
  const words = `Column ${x + 1}, row ${y + 1}: it was surprised by **${bits.toFixed(1)} bits**; ${entropy.toFixed(1)} were to be expected.`;
  return { channels, words };
}

export const SECTIONS = { 'pixelcnn.expect': expect, 'pixelcnn.surprise': surprise };
