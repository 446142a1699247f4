// What all families' answers need: labels, noise, and how a model is asked.
import { Generator } from './random.js';
import { halfToEven, joined, range } from './tensors.js';

export const [EACH, NOT_TOLD] = ['each in turn', 'not told'];

/** The classes of n pictures: that of a name, or each in turn; -1 for "none". @returns {number[]} */
export function labelsOf(model, label, n) {
  const index = label === NOT_TOLD ? -1 : model.classes.indexOf(label);
  const each = label === EACH && model.conditional;
  return range(n).map((i) => (each ? i % model.classes.length : index));
}

export const labelled = (labels) => ({ data: labels, dims: [labels.length], type: 'int64' });

/** Normal noise, for each seed `count` numbers of its own. @returns {Float32Array} */
export const noiseOf = (seeds, count) => joined(seeds.map((seed) => new Generator(seed).randn(count)));

export const scalar = (value) => ({ data: [value], dims: [] });

/** A batch of so many numbers each. */
export const batch = (data, ...dims) => ({ data, dims: [data.length / dims.reduce((a, b) => a * b, 1), ...dims] });

/** Milliseconds that something takes, and what it gives. */
export async function timed(work) {
  const start = performance.now();
  const found = await work();
  return [found, performance.now() - start];
}

/** What was made, as sampling.generate says it. */
export const inWords = (n, ms) => `${n} pictures in **${ms.toFixed(0)} ms**`;

/** A percentage without decimals; halves go to the even number, as in Python. */
export const percentOf = (percent) => halfToEven(percent).toFixed(0);

/** A percentage that says 0 % and 100 % only where that is exactly so. */
export function share(percent) {
  if (percent > 0 && percent < 1) return 'under 1 %';
  return percent > 99 && percent < 100 ? 'over 99 %' : `${percentOf(percent)} %`;
}
