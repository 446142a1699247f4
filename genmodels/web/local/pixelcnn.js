// The sections of models that write pixel by pixel; see genmodels/wrappers/autoregressive.py.
import { bytesOf, textOf } from '../elements/bytes.js';
import { batch, labelled, labelsOf } from './model.js';
import { Generator } from './random.js';
import { clamp, fromPad, halfToEven, product } from './tensors.js';
import { written } from './writing.js';

const [TENTHS, UNKNOWN] = [10, 255]; // bits travel as bytes: so many to the bit
const QUICK = 30; // milliseconds: rows that come faster travel together

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

/** The log-likelihood of a picture, exactly. */
export async function nats(picture, model) {
  const { levels, logs, count } = await expectations(picture, model);
  return levels.reduce((sum, level, i) => sum + logs[i * count + level], 0);
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

// -- writing -----------------------------------------------------------------------------------------------------------

/** All pixels of the lower half, hidden. */
export const lowerHalf = ([, h, w]) => textOf(new Uint8Array(h * w).fill(1, Math.floor(h / 2) * w));

const write = (state, model) => answers(state, model, null, new Uint8Array(product(model.shape.slice(1))).fill(1));

function finish(state, model) {
  const hidden = state.hidden ? bytesOf(state.hidden).map((one) => Math.min(1, one)) : new Uint8Array(product(model.shape.slice(1)));
  return answers(state, model, bytesOf(state.picture), hidden);
}

/** Row by row; see _answers in wrappers/autoregressive.py. @param {Uint8Array?} drawing in height, width, channel order @param {Uint8Array} hidden by pixel */
async function* answers({ label, n, seed, ...knobs }, model, drawing, hidden) {
  const { shape } = model;
  const [channels, height] = shape;
  const levels = levelsOf(model, drawing, hidden);
  const classes = labelsOf(model, label, n).map((one) => (one < 0 ? model.num_classes : one));
  const begun = classes.map((one, i) => ({
    levels: levels.slice(),
    label: one,
    uniforms: new Generator(seed + i).randDouble(product(shape)),
  }));
  const given = hidden.map((one) => 1 - one);
  const start = drawing ? { start: { pixels: textOf(drawing), shape: [1, ...shape] }, hidden: textOf(hidden) } : {};
  const from = performance.now();
  let [sent, sentAt] = [0, from];
  for (const { row, levels: made, unsure } of written(model.checkpoint, model.writer, shape, begun, given, knobs)) {
    const now = performance.now();
    const rowsFrom = (first) => part(model, made, unsure, drawing, hidden, first, row + 1);
    if (row + 1 === height) yield { ...start, ...rowsFrom(0), ...verdict(unsure, hidden, channels), ms: now - from, done: true };
    else if (!sent || now - sentAt >= QUICK) {
      yield { ...(sent ? {} : start), ...rowsFrom(sent), progress: `Row ${row + 1} of ${height}` };
      [sent, sentAt] = [row + 1, now];
    }
  }
}

/** How unsure it was on average of what it wrote. */
function verdict(unsure, hidden, channels) {
  const bits = unsure.flatMap((one) => [...one.filter((_, i) => hidden[i])]);
  if (!bits.length) return { words: 'Nothing was hidden, so nothing was written.', bits_per_pixel: 0 };
  const mean = bits.reduce((sum, value) => sum + value, 0) / bits.length / channels;
  return {
    words: `On average it was unsure by **${mean.toFixed(2)} bits** per pixel${channels > 1 ? ' and colour' : ''}.`,
    bits_per_pixel: mean,
  };
}

/** The levels `(C, H, W)` of what is given; 0 elsewhere. */
function levelsOf({ shape: [c, h, w], writer: { levels } }, drawing, hidden) {
  const found = new Uint16Array(c * h * w);
  if (drawing)
    for (let i = 0; i < h * w; i++)
      for (let k = 0; k < c; k++) if (!hidden[i]) found[k * h * w + i] = halfToEven((drawing[i * c + k] * (levels - 1)) / 255);
  return found;
}

/** Rows of all pictures: samples, and how unsure the model was of each pixel. */
function part({ shape: [c, , w], writer: { levels: count } }, made, unsure, drawing, hidden, first, end) {
  const size = (end - first) * w;
  const pixels = new Uint8Array(made.length * size * c);
  const bits = new Uint8Array(made.length * size);
  made.forEach((levels, p) => {
    for (let i = 0; i < size; i++) {
      const at = first * w + i;
      for (let k = 0; k < c; k++) {
        const level = halfToEven((levels[(k * levels.length) / c + at] * 255) / (count - 1));
        pixels[(p * size + i) * c + k] = hidden[at] ? level : drawing[at * c + k];
      }
      bits[p * size + i] = hidden[at] ? clamp(halfToEven(unsure[p][at] * TENTHS), 0, UNKNOWN - 1) : UNKNOWN;
    }
  });
  return { row: first, samples: { pixels: textOf(pixels), shape: [made.length, c, end - first, w] }, bits: textOf(bits) };
}

export const SECTIONS = {
  'pixelcnn.write': write,
  'pixelcnn.finish': finish,
  'pixelcnn.expect': expect,
  'pixelcnn.surprise': surprise,
};
