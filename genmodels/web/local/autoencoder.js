// The autoencoder's sections; see genmodels/wrappers/bottleneck.py.
import { bytesOf } from '../elements/bytes.js';
import { batch, labelled, noiseOf, percentOf, timed } from './model.js';
import { clamp, fromPad, joined, lerp, meanSquaredError, pictures, range, rows, shareBelow } from './tensors.js';

const round = Math.fround;
const ERASED = 0; // the grey of a pixel that is hidden
const untold = (n) => labelled(range(n).fill(-1));

async function encoded(model, images) {
  const given = batch(images, ...model.shape);
  return (await model.run('encode', { images: given, labels: untold(given.dims[0]) })).codes;
}

async function decoded(model, codes, n) {
  const { images } = await model.run('decode', { codes: batch(codes, codes.length / n), labels: untold(n) });
  return images.map((value) => clamp(value));
}

async function through({ picture, hidden, sigma, seed }, model) {
  const [channels, height, width] = model.shape;
  const size = channels * height * width;
  const x = fromPad(picture, model.shape);
  const mask = hidden ? bytesOf(hidden) : new Uint8Array(height * width);
  const damaged = sigma > 0 || mask.some(Boolean);
  const noise = sigma > 0 ? noiseOf([seed], size) : new Float32Array(size);
  const seen = x.map((value, i) => clamp((mask[i % (height * width)] ? ERASED : value) + round(sigma * noise[i])));
  const n = damaged ? 2 : 1;
  const [{ codes, rebuilt }, ms] = await timed(async () => {
    const codes = await encoded(model, damaged ? joined([seen, x]) : x);
    return { codes, rebuilt: await decoded(model, codes, n) };
  });
  const first = rows(rebuilt, size, 0);
  const score = Math.sqrt(meanSquaredError(rows(rebuilt, size, n - 1), x)) * 127.5;
  const percentile = shareBelow(model.known.scores, score);
  const difference = first.map((value, i) => Math.abs(value - x[i]) - 1);
  return {
    seen: pictures(seen, model.shape),
    code: [...rows(codes, codes.length / n, 0)],
    reconstruction: pictures(first, model.shape),
    difference: pictures(difference, model.shape),
    quality: quality(psnr(first, x), damaged ? psnr(seen, x) : null, ms),
    unusual: { ...model.known.histogram, mark: score, left: 'easy to rebuild', middle: 'test images', right: 'hard to rebuild' },
    words: howUnusual(percentile),
    score,
    percentile,
    ms,
  };
}

/** In dB, at most 99. */
const psnr = (a, b) => Math.min(99, 10 * Math.log10(4 / meanSquaredError(a, b)));

function quality(reconstructed, seen, ms) {
  const damaged = seen === null ? '' : `, of what it saw **${seen.toFixed(1)} dB**`;
  return `PSNR of the reconstruction against the picture as given **${reconstructed.toFixed(1)} dB**${damaged} · ${ms.toFixed(0)} ms`;
}

function howUnusual(percentile) {
  if (percentile >= 99.95) return 'More unusual than **every** test image: the network has never seen anything like it.';
  const far = percentile > 99;
  const ending = far ? ': probably not the kind of picture it was trained on.' : '.';
  return `More unusual than **${far ? percentile.toFixed(1) : percentOf(percentile)} %** of test images${ending}`;
}

async function blend({ picture, other, t }, model) {
  const [a, b] = [picture, other].map((one) => fromPad(one, model.shape));
  const codes = await encoded(model, joined([a, b]));
  const size = codes.length / 2;
  const [from, to] = [rows(codes, size, 0), rows(codes, size, 1)];
  const between = from.map((value, i) => value + round(round(t) * round(to[i] - value)));
  return {
    picture: pictures(a, model.shape),
    codes: pictures(await decoded(model, between, 1), model.shape),
    pixels: pictures(lerp(a, b, t), model.shape),
    other: pictures(b, model.shape),
  };
}

export const SECTIONS = { 'autoencoder.bottleneck': through, 'autoencoder.blend': blend };
