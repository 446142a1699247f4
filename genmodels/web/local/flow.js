// The flow's sections; see genmodels/wrappers/flows.py. There codes are computed in float64, here in float32: pictures that are
// unlike all others come back with a few levels lost.
import { bytesOf, textOf } from '../elements/bytes.js';
import { batch, inWords, labelled, labelsOf, noiseOf, scalar, timed } from './model.js';
import { Generator } from './random.js';
import { clamp, fromPad, joined, pictures, product, range, rows } from './tensors.js';

const [FILM_PICTURES, FILM_COLUMNS, GAP] = [8, 4, 2];
const [NOISE_REACH, BINS, CURVE] = [4, 32, 129]; // of the histogram of z
const DEQUANTIZATION_SEED = 0;
const round = Math.fround;

/** What codes become: for each picture the noise, then one frame per layer undone, the last of which is the picture. */
async function unfolded(model, codes, labels, guidance = 1) {
  const given = { codes: batch(codes, ...model.shape), guidance_scale: scalar(guidance), labels: labelled(labels) };
  const { frames } = await model.run('decode_layers', given);
  const size = product(model.shape);
  const count = frames.length / size / labels.length;
  return range(count).map((k) => joined(labels.map((_, i) => rows(frames, size, i * count + k))));
}

const noisy = (model, n, seed, temperature) => noiseOf(range(n, seed), product(model.shape)).map((value) => round(temperature) * value);

async function generate({ label, seed, n, temperature, guidance_scale: guidance }, model) {
  const noise = noisy(model, n, seed, temperature);
  const [frames, ms] = await timed(() => unfolded(model, noise, labelsOf(model, label, n), guidance));
  return { samples: pictures(frames.at(-1), model.shape), words: inWords(n, ms), ms };
}

async function layers({ label, temperature, guidance_scale: guidance, seed }, model) {
  const n = FILM_PICTURES;
  const frames = await unfolded(model, noisy(model, n, seed, temperature), labelsOf(model, label, n), guidance);
  const titles = [...model.layers].reverse();
  const captions = titles.map((title, i) => `Layer ${titles.length - i} undone: ${title}`);
  captions[titles.length - 1] = 'Layer 1 undone: the pictures are complete';
  return { film: film(frames, model, ['Noise', ...captions]) };
}

/** Frames of several pictures each, tiled, which start at the first one. */
function film(frames, model, captions) {
  const tiled = frames.map((frame) => sheet(pictures(frame, model.shape), model.background));
  const shape = [frames.length, ...tiled[0].shape];
  return { frames: { pixels: textOf(Uint8Array.from(tiled.flatMap(({ bytes }) => [...bytes]))), shape }, captions, start: 0 };
}

function sheet(picture, paper) {
  const [n, c, h, w] = picture.shape;
  const columns = Math.min(n, FILM_COLUMNS);
  const wide = columns * (w + GAP) - GAP;
  const high = Math.ceil(n / columns) * (h + GAP) - GAP;
  const from = bytesOf(picture.pixels);
  const bytes = new Uint8Array(high * wide * c).fill(paper);
  for (let i = 0; i < n; i++)
    for (let y = 0; y < h; y++) {
      const [top, left] = [Math.floor(i / columns) * (h + GAP) + y, (i % columns) * (w + GAP)];
      bytes.set(rows(from, w * c, i * h + y), (top * wide + left) * c);
    }
  return { bytes, shape: [c, high, wide] };
}

/** The code z of a picture, milliseconds, all layers on the way back, milliseconds; and code and picture to be shown. */
export async function thereAndBack(picture, model) {
  const uniform = new Generator(DEQUANTIZATION_SEED).rand(product(model.shape));
  const images = batch(fromPad(picture, model.shape), ...model.shape);
  const given = { images, uniform: batch(uniform, ...model.shape), labels: labelled([-1]) };
  const [{ codes: z }, there] = await timed(() => model.run('encode_drawn', given));
  const [back, ms_back] = await timed(() => unfolded(model, z, [-1]));
  const code = pictures(
    z.map((value) => clamp(value / 3)),
    model.shape,
  );
  return { z, there, back, ms_back, code, decoded: pictures(back.at(-1), model.shape) };
}

/** The log-likelihood of a picture: its bound, estimated by one draw. */
export async function nats(picture, model, seed) {
  const drawn = batch(new Generator(seed).rand(product(model.shape)), ...model.shape);
  const images = batch(fromPad(picture, model.shape), ...model.shape);
  return (await model.run('log_likelihood', { images, labels: labelled([-1]), drawn })).nats[0];
}

async function roundTrip({ picture }, model) {
  const { z, there, back, ms_back, code, decoded } = await thereAndBack(picture, model);
  const original = bytesOf(picture);
  const difference = bytesOf(decoded.pixels).reduce((most, value, i) => Math.max(most, Math.abs(value - original[i])), 0);
  const titles = model.layers;
  const n = titles.length;
  const going = titles.map((title, i) => `There, layer ${i + 1} of ${n}: ${title} became noise`);
  const coming = [...titles].reverse().map((title, i) => `Back, layer ${n - i} undone: ${title} came back`);
  going[n - 1] = `There, layer ${n} of ${n}: all is noise now; this is z`;
  coming[n - 1] = 'Back: the picture again';
  const states = [...back].reverse(); // on the way there they are the same, but for rounding
  return {
    code,
    decoded,
    numbers: histogram(z),
    words: `Largest difference of any pixel: **${difference}** of 256 grey ${difference === 1 ? 'level' : 'levels'}. There in ${there.toFixed(0)} ms, back in ${ms_back.toFixed(0)} ms.`,
    film: film([...states, ...back.slice(1)], model, ['The picture', ...going, ...coming]),
    difference,
    ms_there: there,
    ms_back,
  };
}

/** The density of numbers in bins (those beyond the ends count, and are not shown), and that of N(0, 1) beside it. */
function histogram(z) {
  const wide = (2 * NOISE_REACH) / BINS;
  const counts = new Array(BINS).fill(0);
  for (const value of z) {
    if (Math.abs(value) <= NOISE_REACH) counts[Math.min(BINS - 1, Math.floor((value + NOISE_REACH) / wide))] += 1 / (z.length * wide);
  }
  const mean = z.reduce((sum, value) => sum + value, 0) / z.length;
  const std = Math.sqrt(z.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (z.length - 1));
  const curve = range(CURVE).map(
    (i) => Math.exp(-((-NOISE_REACH + (2 * NOISE_REACH * i) / (CURVE - 1)) ** 2) / 2) / Math.sqrt(2 * Math.PI),
  );
  return {
    counts,
    edges: range(BINS + 1).map((i) => -NOISE_REACH + i * wide),
    curve,
    left: `${-NOISE_REACH}`,
    right: `${NOISE_REACH}`,
    middle: `mean ${mean.toFixed(2)}, standard deviation ${std.toFixed(2)}; the line is N(0,\u00a01)`,
  };
}

export const SECTIONS = { 'flow.generate': generate, 'flow.layers': layers, 'flow.round_trip': roundTrip };
