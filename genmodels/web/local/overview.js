// What each family makes of a drawing; see genmodels/wrappers/overview.py. A model's `known` is what the readings need of test images.
import { bytesOf } from '../elements/bytes.js';
import * as autoencoder from './autoencoder.js';
import * as diffusion from './diffusion.js';
import * as flow from './flow.js';
import * as gan from './gan.js';
import { percentOf, share } from './model.js';
import * as pixelcnn from './pixelcnn.js';
import { fromPad, meanSquaredError, pictures, product, range, rows, shareBelow } from './tensors.js';
import * as vae from './vae.js';

const [MADE, NEAREST] = [4, 25]; // endings, variations, neighbours; test images that a code is compared with
const UNCERTAIN_SEED = 0; // of the one draw by which the flow's bound is estimated

const slot = (title, kind, value, more = {}) => ({ title, kind, value, ...more });
const picture = (title, value, more) => slot(title, 'picture', value, more);

const reading = (model, slots, words = '', rank = null) => ({ model: model.name, slots, words, rank });
const rank = (percent, left, right) => ({ percent, left, right });

async function rebuild({ picture: drawing, seed }, model) {
  const seen = await autoencoder.SECTIONS['autoencoder.bottleneck']({ picture: drawing, hidden: '', sigma: 0, seed }, model);
  const slots = [picture('Rebuilt', seen.reconstruction), picture('Difference', seen.difference)];
  return reading(model, slots, seen.words, rank(seen.percentile, 'easy to rebuild', 'hard'));
}

async function place({ picture: drawing, seed }, model) {
  const varied = (spread, n) => vae.varied({ picture: drawing, spread, seed }, model, n);
  const at = await vae.where({ picture: drawing }, model.map ?? model);
  const made = picture('Variations', await varied(3, MADE));
  const { map } = model;
  const first = map ? slot('On its map', 'map', at, { model: map.name }) : picture('From its code', await varied(0, 1));
  const near = neighbours(at.mean, map ?? model);
  if (!near) return reading(model, [first, made]);
  const words = `**${near.count} of its ${near.of}** nearest test images are **${near.label}**; it lies farther out than **${share(near.farther)}** of all.`;
  return reading(model, [first, made], words, rank(near.farther, 'in the middle', 'far out'));
}

/** Among which test images a code lies. */
function neighbours(mean, { known: { tested }, classes }) {
  if (!tested) return null;
  const d = mean.length;
  const codes = new Float32Array(bytesOf(tested.codes).buffer);
  const n = codes.length / d;
  const squares = (from) => range(n).map((i) => mean.reduce((sum, value, k) => sum + (codes[i * d + k] - from(value)) ** 2, 0));
  const nearest = inOrder(squares((value) => value)).slice(0, NEAREST);
  const counts = new Array(classes.length).fill(0);
  for (const i of nearest) counts[tested.labels[i]]++;
  const label = counts.indexOf(Math.max(...counts));
  const far = Math.sqrt(mean.reduce((sum, value) => sum + value * value, 0));
  const nearer = squares(() => 0).filter((square) => Math.sqrt(square) < far).length;
  return { label: classes[label], count: counts[label], of: nearest.length, farther: (100 * nearer) / n };
}

/** The places of numbers, from the smallest to the largest. */
const inOrder = (values) => range(values.length).sort((a, b) => values[a] - values[b]);

async function judge({ picture: drawing }, model) {
  const seen = await gan.SECTIONS['gan.critic']({ picture: drawing }, model);
  const slots = [slot('Real ↑, its own ↓', 'histogram', seen.realism), nearestOwn(drawing, model)];
  return reading(model, slots, seen.words, rank(seen.above_test, 'looks generated', 'looks real'));
}

/** Of the generator's own pictures the closest ones, pixel by pixel at half the size. */
function nearestOwn(drawing, model) {
  const size = product(model.shape);
  const own = Float32Array.from(bytesOf(model.known.own), (byte) => Math.fround(Math.fround(byte / 127.5) - 1));
  const n = own.length / size;
  const sought = halved(fromPad(drawing, model.shape), model.shape);
  const far = range(n).map((i) => meanSquaredError(halved(rows(own, size, i), model.shape), sought));
  const nearest = new Float32Array(MADE * size);
  inOrder(far)
    .slice(0, MADE)
    .forEach((from, to) => nearest.set(rows(own, size, from), to * size));
  return picture(`Its nearest of ${n}`, pictures(nearest, model.shape));
}

/** A picture at half its size, by the mean of four pixels. */
function halved(image, [c, h, w]) {
  const out = new Float32Array((c * h * w) / 4);
  for (let k = 0, to = 0; k < c; k++)
    for (let y = 0; y < h; y += 2)
      for (let x = 0, at = (k * h + y) * w; x < w; x += 2, at += 2)
        out[to++] = (image[at] + image[at + 1] + image[at + w] + image[at + w + 1]) / 4;
  return out;
}

async function invert({ picture: drawing }, model) {
  const { code, decoded } = await flow.thereAndBack(drawing, model);
  const slots = [picture('As noise', code), picture('And back', decoded)];
  return likely(model, slots, await flow.nats(drawing, model, UNCERTAIN_SEED), true);
}

/** The verdict of a likelihood in nats, exact or a bound. */
function likely(model, slots, nats, isBound) {
  const bits = -nats / Math.LN2 / product(model.shape);
  const { bits: tested } = model.known;
  const likelier = (100 * tested.filter((one) => one > bits).length) / tested.length;
  const words = `**${isBound ? '≤ ' : ''}${bits.toFixed(2)} bits/dim**: more likely than **${share(likelier)}** of test images.`;
  return reading(model, slots, words, rank(likelier, 'unlikely', 'likely'));
}

async function write({ picture: drawing }, model) {
  const [c, h, w] = model.shape;
  const upper = fromPad(drawing, model.shape).map((value, i) => (Math.floor(i / w) % h < Math.floor(h / 2) ? value : 0));
  const nats = await pixelcnn.nats(drawing, model);
  return likely(model, [picture('Upper half', pictures(upper, [c, h, w]))], nats, false);
}

async function* writeOn({ picture: drawing, seed }, model) {
  const begun = {
    picture: drawing,
    hidden: pixelcnn.lowerHalf(model.shape),
    label: 'not told',
    n: MADE,
    temperature: model.temperature,
    guidance_scale: 1,
    seed,
  };
  for await (const answer of pixelcnn.SECTIONS['pixelcnn.finish'](begun, model)) {
    if (answer.done) yield { model: model.name, slots: [picture('Finished', answer.samples, { place: 1 })] };
    else yield { progress: answer.progress };
  }
}

async function drown(asked, model) {
  const { noisy, clean } = await diffusion.firstLook(noisyState(asked, model, 1), model);
  return reading(model, [picture('With noise', pictures(noisy, model.shape)), picture('Seen in it', pictures(clean, model.shape))]);
}

async function* restore(asked, model) {
  const begun = noisyState(asked, model, MADE);
  for await (const { film } of diffusion.SECTIONS['diffusion.denoise'](begun, model)) {
    if (film.frame?.clean) yield { model: model.name, slots: [picture('Denoised', film.frame.clean, { place: 1 })] };
  }
  const { errors } = model.known;
  if (!errors) return;
  const { clean } = await diffusion.firstLook(begun, model);
  const x = fromPad(asked.picture, model.shape);
  const error = range(MADE).reduce((sum, i) => sum + meanSquaredError(rows(clean, x.length, i), x), 0) / MADE;
  const harder = shareBelow(
    [...errors].sort((a, b) => a - b),
    error,
  );
  const words = `Harder to see through ${percentOf(100 * begun.t)} % of noise than **${share(harder)}** of ${errors.length} test images.`;
  yield { model: model.name, words, rank: rank(harder, 'easy to see', 'hard') };
}

const noisyState = ({ picture: drawing, seed }, model, n) => ({ ...model.known.noisy, picture: drawing, seed, n });

export const SECTIONS = {
  'see.rebuild': rebuild,
  'see.place': place,
  'see.judge': judge,
  'see.invert': invert,
  'see.write': write,
  'see.write_on': writeOn,
  'see.drown': drown,
  'see.restore': restore,
};
