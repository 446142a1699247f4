// From noise to a picture: the noise schedule and the solvers of genmodels/models/pipeline.py, which are those of diffusers.
// A solver knows the steps' training steps t, and step(x, clean) leads from x to the next one.
import { halfToEven, range } from './tensors.js';

export const STEPS = 1000;

/** atan(sigma / alpha) at every training step: alpha falls as a cosine (Nichol & Dhariwal 2021). */
const ANGLES = (() => {
  const curve = (i) => Math.cos(((i / STEPS + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  let kept = 1;
  return range(STEPS).map((i) => {
    kept *= 1 - Math.min(1 - curve(i + 1) / curve(i), 0.999);
    return Math.atan2(Math.sqrt(1 - kept), Math.sqrt(kept));
  });
})();

/** The angle of a training step, also between two. */
function angleOf(t) {
  const left = Math.min(Math.floor(t), STEPS - 2);
  return ANGLES[left] + (t - left) * (ANGLES[left + 1] - ANGLES[left]);
}

/** [alpha, sigma] */
const levelOf = (t) => [Math.cos(angleOf(t)), Math.sin(angleOf(t))];

/** The training step in the place of an even one, where those at the ends are of other sizes: `levels` of pipeline.py. */
function placed(t, [clean, noisy]) {
  const u = (t + 1) / STEPS;
  const share = u ** 2 * (3 - 2 * u) + clean * u * (1 - u) ** 2 - noisy * u ** 2 * (1 - u);
  return Math.min(Math.max(STEPS * share - 1, 0), STEPS - 1);
}

/** The even steps of a run from the share `strength` of all noise on, the noisiest one first, and how many there are to pick from. */
function trailing(count, strength) {
  const length = Math.max(1, halfToEven(strength * STEPS));
  const steps = Math.min(count, length);
  const ratio = length / steps;
  return { length, steps, even: range(Math.ceil(length / ratio)).map((i) => halfToEven(length - i * ratio) - 1) };
}

/** Row by row a x + b y + …, of pairs [a, x]. */
function mixture(...pairs) {
  return pairs[0][1].map((_, i) => pairs.reduce((sum, [weight, values]) => sum + weight * values[i], 0));
}

class Solver {
  at = 0;

  constructor(count, strength, ends) {
    Object.assign(this, trailing(count, strength));
    const uneven = this.length === STEPS && ends.some((size) => size !== 1);
    this.place = (t) => (uneven ? placed(t, ends) : t);
    this.ts = this.even.map(this.place);
  }

  /** [alpha, sigma] of the i-th step; after the last one nothing of the noise is left. */
  level(i) {
    return i < this.ts.length ? levelOf(this.ts[i]) : [1, 0];
  }
}

/** Song et al. 2021. */
class Ddim extends Solver {
  step(x, clean) {
    const [alpha, sigma] = this.level(this.at);
    const before = this.even[this.at++] - Math.floor(this.length / this.steps);
    const [to, rest] = before >= 0 ? levelOf(this.place(before)) : [1, 0];
    return mixture([rest / sigma, x], [to - (rest * alpha) / sigma, clean]);
  }
}

class Euler extends Solver {
  step(x, clean) {
    const [alpha, sigma] = this.level(this.at);
    const [to, rest] = this.level(++this.at);
    const left = rest / to / (sigma / alpha); // a straight line in x / alpha
    return mixture([(to / alpha) * left, x], [to * (1 - left), clean]);
  }
}

/** What solvers of differential equations count in: half the logarithm of the signal-to-noise ratio. */
const lambda = ([alpha, sigma]) => Math.log(alpha) - Math.log(sigma);

/** DPM-Solver++ of the second order, multistep (Lu et al. 2022). */
class Dpm extends Solver {
  step(x, clean) {
    const [here, there] = [this.level(this.at), this.level(this.at + 1)];
    const h = lambda(there) - lambda(here);
    const share = -there[0] * Math.expm1(-h);
    let towards = clean;
    if (this.last && this.at < this.ts.length - 1) {
      const ratio = (lambda(here) - lambda(this.level(this.at - 1))) / h;
      towards = mixture([1 + 0.5 / ratio, clean], [-0.5 / ratio, this.last]);
    }
    this.last = clean;
    this.at++;
    return mixture([there[1] / here[1], x], [share, towards]);
  }
}

/** UniPC of the third order, B2(h) (Zhao et al. 2023): each step corrects the last one by what the network now sees. */
class UniPc extends Solver {
  cleans = []; // of the last steps, the newest first
  order = 0;
  warm = 0;

  step(x, clean) {
    const mended = this.at > 0 ? this.update(this.at - 1, this.order, this.before, clean) : x;
    this.cleans = [clean, ...this.cleans].slice(0, 3);
    this.order = Math.min(3, this.ts.length - this.at, this.warm + 1);
    this.before = mended;
    const next = this.update(this.at, this.order, mended);
    this.warm = Math.min(3, this.warm + 1);
    this.at++;
    return next;
  }

  /** From the step `at` to the next one; with what the network sees there it is the corrector, without it the predictor. */
  update(at, order, x, seen = null) {
    const [here, there] = [this.level(at), this.level(at + 1)];
    const h = lambda(there) - lambda(here);
    const [m0] = this.cleans;
    const ratios = range(order - 1, 1).map((i) => (lambda(this.level(at - i)) - lambda(here)) / h);
    const differences = ratios.map((ratio, i) => mixture([1 / ratio, this.cleans[i + 1]], [-1 / ratio, m0]));
    const phi = Math.expm1(-h);
    const weights = this.weights([...ratios, 1], -h, phi, Boolean(seen));
    if (seen) differences.push(mixture([1, seen], [-1, m0]));
    const scale = -there[0] * phi;
    const more = differences.map((difference, i) => [scale * weights[i], difference]);
    return mixture([there[1] / here[1], x], [scale, m0], ...more);
  }

  /** Of the differences: the solution of a small Vandermonde system. */
  weights(ratios, h, phi, corrects) {
    const order = ratios.length;
    const few = corrects ? order : order - 1;
    if ((corrects && order === 1) || (!corrects && order === 2)) return [0.5];
    const [rows, right] = [[], []];
    let part = phi / h - 1;
    let factorial = 1;
    for (let i = 1; i <= order; i++) {
      rows.push(ratios.slice(0, few).map((ratio) => ratio ** (i - 1)));
      right.push((part * factorial) / phi);
      factorial *= i + 1;
      part = part / h - 1 / factorial;
    }
    return solved(rows.slice(0, few), right.slice(0, few));
  }
}

/** x of A x = b, by elimination. */
function solved(matrix, right) {
  const rows = matrix.map((row, i) => [...row, right[i]]);
  const n = rows.length;
  for (let i = 0; i < n; i++) {
    const pivot = range(n - i, i).reduce((best, k) => (Math.abs(rows[k][i]) > Math.abs(rows[best][i]) ? k : best), i);
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    for (let k = 0; k < n; k++) {
      if (k === i) continue;
      const factor = rows[k][i] / rows[i][i];
      rows[k] = rows[k].map((value, j) => value - factor * rows[i][j]);
    }
  }
  return rows.map((row, i) => row[n] / row[i]);
}

/** By their names in the states; see SOLVERS in genmodels/export_site.py. */
const SOLVERS = { ddim: Ddim, euler: Euler, 'dpm++2m': Dpm, unipc: UniPc };

/** A solver, ready. @param {number[]} ends the sizes of its first steps at both ends @param {number} strength the share of all noise from which it begins */
export const solver = (name, count, ends, strength = 1) => new SOLVERS[name](count, strength, ends);
