// The VAE's sections; see genmodels/wrappers/latents.py.
import { batch, inWords, labelled, labelsOf, noiseOf, timed } from './model.js';
import { clamp, fromPad, halfToEven, joined, lerp, linspace, pictures, range, rows } from './tensors.js';

const round = Math.fround;

/** Classes as weights of the decoder's blend: the last one is "no class". */
function weightsOf(model, labels) {
  const count = model.num_classes + 1;
  const weights = new Float32Array(labels.length * count);
  labels.forEach((label, i) => (weights[i * count + (label < 0 || !model.num_classes ? model.num_classes : label)] = 1));
  return weights;
}

/** Pictures of codes. @param {Float32Array} weights of the classes, see weightsOf */
async function decoded(model, codes, weights) {
  const { images } = await model.run('blend', { codes: batch(codes, model.latent_dim), weights: batch(weights, model.num_classes + 1) });
  return images;
}

/** Codes that the prior makes of noise. */
async function codesOf(model, noise, labels) {
  const { codes } = await model.run('codes', { noise: batch(noise, model.latent_dim), labels: labelled(labels) });
  return codes;
}

async function map({ x, y }, model) {
  const { extent } = model.points;
  const images = await decoded(
    model,
    [x, y].map((v) => clamp(v, -extent, extent)),
    weightsOf(model, [-1]),
  );
  return { picture: pictures(images, model.shape) };
}

export async function where({ picture }, model) {
  const images = fromPad(picture, model.shape);
  const { mean, log_std } = await model.run('posterior', { images: batch(images, ...model.shape), labels: labelled([-1]) });
  return { mean: [...mean], std: [...log_std].map((value) => round(Math.exp(value))) };
}

async function generate({ label, seed, n, temperature }, model) {
  const labels = labelsOf(model, label, n);
  const [images, ms] = await timed(async () => {
    const noise = noiseOf(range(n, seed), model.latent_dim).map((value) => round(temperature) * value);
    return decoded(model, await codesOf(model, noise, labels), weightsOf(model, labels));
  });
  return { samples: pictures(images, model.shape), words: inWords(n, ms), ms };
}

const variations = async (state, model) => ({ samples: await varied(state, model, 8) });

/** n pictures of codes about that of a drawing. */
export async function varied({ picture, spread, seed }, model, n) {
  const images = fromPad(picture, model.shape);
  const { mean, log_std } = await model.run('posterior', { images: batch(images, ...model.shape), labels: labelled([-1]) });
  const noise = noiseOf(range(n, seed), model.latent_dim);
  const d = model.latent_dim;
  const codes = noise.map((value, i) => mean[i % d] + round(round(spread * round(Math.exp(log_std[i % d]))) * value));
  return pictures(await decoded(model, codes, weightsOf(model, range(n).fill(-1))), model.shape);
}

async function knobs({ values, label, seed, swept }, model) {
  const d = model.latent_dim;
  const index = model.classes.indexOf(label);
  const noise = noiseOf([seed], d).map((value) => round(model.temperature) * value);
  const code = (await codesOf(model, noise, [index])).slice();
  const latents = model.strongest.slice(0, values.length);
  latents.forEach((latent, i) => (code[latent.index] = values[i]));
  const { index: moved, low, high } = latents[Math.min(swept, values.length) - 1];
  const row = linspace(low, high, 9).map((value) => {
    const one = code.slice();
    one[moved] = value;
    return one;
  });
  const images = await decoded(model, joined([code, ...row]), weightsOf(model, range(10).fill(index)));
  const size = images.length / 10;
  return { picture: pictures(rows(images, size, 0), model.shape), strip: pictures(rows(images, size, 1, 10), model.shape) };
}

async function walk({ first, last, first_label, last_label, frames, temperature }, model) {
  const d = model.latent_dim;
  const labels = [first_label, last_label].map((label) => model.classes.indexOf(label));
  const noise = noiseOf([first, last], d).map((value) => round(temperature) * value);
  const codes = await codesOf(model, noise, labels);
  const ends = weightsOf(model, labels);
  const ts = linspace(0, 1, frames);
  const between = (values, size) => joined(ts.map((t) => lerp(rows(values, size, 0), rows(values, size, 1), t)));
  const images = await decoded(model, between(codes, d), between(ends, model.num_classes + 1));
  const size = images.length / frames;
  const few = linspace(0, frames - 1, Math.min(frames, 12)).map(halfToEven);
  const strip = joined(few.map((i) => rows(images, size, i)));
  const captions = range(frames).map((i) => `picture ${i + 1} of ${frames}`);
  return { film: { frames: pictures(images, model.shape), captions }, strip: pictures(strip, model.shape) };
}

export const SECTIONS = {
  'vae.map': map,
  'vae.where': where,
  'vae.generate': generate,
  'vae.variations': variations,
  'vae.knobs': knobs,
  'vae.walk': walk,
};
