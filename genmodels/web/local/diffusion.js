// The diffusion sections; see genmodels/wrappers/diffusion.py.
import { batch, labelled, labelsOf, noiseOf } from './model.js';
import { STEPS, solver } from './solvers.js';
import { clamp, fromPad, joined, pictures, product, range } from './tensors.js';

const KEPT_FRAMES = 40; // of a run, for the scrubber

/** The velocities of noisy pictures at training step t, with guidance: at more than 1 only where the model's noise guides. */
async function velocity(model, noisy, t, labels, guidance) {
  const n = labels.length;
  const [low, high] = model.guides.map((share) => STEPS * share);
  const scale = low <= t && t < high ? guidance : Math.min(guidance, 1);
  const told = labels.some((label) => label >= 0);
  const asked = !told || scale === 1 ? [labels] : scale === 0 ? [range(n).fill(-1)] : [labels, range(n).fill(-1)];
  const all = asked.flat();
  const inputs = {
    noisy: batch(asked.length > 1 ? joined([noisy, noisy]) : noisy, ...model.shape),
    t: { data: all.map(() => t), dims: [all.length] },
    labels: labelled(all),
  };
  const { velocity: found } = await model.run('denoise', inputs);
  if (asked.length === 1) return found;
  const none = found.subarray(noisy.length);
  return none.map((value, i) => value + scale * (found[i] - value));
}

/** What a run passes through: {noisy, clean, sigma, ms}, one before each step, and the result, whose sigma is 0. */
async function* trajectory(model, state, labels, noise, { start = null, strength = 1 } = {}) {
  const steps = solver(state.scheduler, state.num_inference_steps, model.ends, strength);
  let x = null;
  let ms = 0;
  for (const [i, t] of steps.ts.entries()) {
    const begun = performance.now();
    const [alpha, sigma] = steps.level(i);
    x ??= start ? noise.map((value, k) => alpha * start[k % start.length] + sigma * value) : noise;
    const noisy = x;
    const v = await velocity(model, noisy, t, labels, state.guidance_scale);
    const clean = noisy.map((value, k) => clamp(alpha * value - sigma * v[k]));
    x = steps.step(noisy, clean);
    ms += performance.now() - begun;
    yield { noisy, clean, sigma, ms };
  }
  const last = x.map((value) => clamp(value));
  yield { noisy: last, clean: last, sigma: 0, ms };
}

const rounded = (value, digits) => Number(value.toFixed(digits));

/** The frames of a run, each with its place among them: of a long run every k-th keeps its place. */
async function* frames(model, moments, total, noise) {
  const every = Math.ceil(total / KEPT_FRAMES);
  const seen = (images) => pictures(images, model.shape);
  if (noise) yield [0, { step: 1, sigma: 1, ms: 0, noisy: seen(noise), clean: null }];
  let i = 0;
  for await (const { noisy, clean, sigma, ms } of moments) {
    const step = sigma > 0 ? i + 1 : i;
    yield [Math.ceil(i++ / every), { step, sigma: rounded(sigma, 4), ms: rounded(ms, 1), noisy: seen(noisy), clean: seen(clean) }];
  }
}

/** film: {frame, at, total} step by step, and in the end {total, done}. */
async function* answers(model, moments, total, noise = null) {
  let last = null;
  for await (const [at, frame] of frames(model, moments, total, noise)) {
    last = frame;
    yield { film: { frame, at, total }, progress: `Step ${frame.step} of ${total}` };
  }
  const { step, ms } = last;
  const words = `Done: ${step} ${step === 1 ? 'step' : 'steps'}, ${ms.toFixed(0)} ms of computing`;
  yield { film: { total: step, done: true }, progress: words, ms, done: true };
}

const stepsOf = (state, model, strength) => solver(state.scheduler, state.num_inference_steps, model.ends, strength).ts.length;

async function* generate(state, model) {
  const noise = noiseOf(range(state.n, state.seed), product(model.shape));
  const labels = labelsOf(model, state.label, state.n);
  yield* answers(model, trajectory(model, state, labels, noise), stepsOf(state, model), noise);
}

function redrawing(state, model) {
  const start = fromPad(state.picture, model.shape);
  const noise = noiseOf(range(state.n, state.seed), product(model.shape));
  return trajectory(model, state, labelsOf(model, state.label, state.n), noise, { start, strength: state.t });
}

async function* denoise(state, model) {
  yield* answers(model, redrawing(state, model), stepsOf(state, model, state.t));
}

/** A picture with noise, and what the network sees in it at one look. */
export async function firstLook(state, model) {
  for await (const moment of redrawing(state, model)) return moment;
}

async function noise(state, model) {
  for await (const { film } of denoise(state, model)) return { film: { ...film, preview: true } };
}

async function* same(state, model) {
  const titles = model.classes;
  const n = titles.length;
  const size = product(model.shape);
  const one = noiseOf([state.seed], size);
  const noises = joined(range(n).map(() => one));
  const gallery = (clean) => ({
    gallery: {
      pictures: pictures(joined([one, clean ?? noises]), model.shape),
      titles: [['the noise'], ...titles.map((title) => [title])],
      marked: [true, ...titles.map(() => false)],
    },
  });
  yield { ...gallery(null), progress: 'The noise is the same for all.' };
  let last = null;
  for await (const moment of trajectory(model, state, range(n), noises)) {
    last = moment;
    const alpha = Math.sqrt(1 - moment.sigma ** 2);
    yield { ...gallery(moment.clean), progress: `xₜ = ${alpha.toFixed(2)} · picture + ${moment.sigma.toFixed(2)} · noise`, ms: moment.ms };
  }
  const words = `${n} pictures of one noise, in **${last.ms.toFixed(0)} ms** of computing.`;
  yield { ...gallery(last.clean), words, progress: 'Done', ms: last.ms, done: true };
}

export const SECTIONS = { 'diffusion.generate': generate, 'diffusion.noise': noise, 'diffusion.denoise': denoise, 'diffusion.same': same };
