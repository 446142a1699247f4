// The GAN's sections; see genmodels/wrappers/style_mixing.py and discriminator.py.
import { batch, EACH, inWords, labelled, labelsOf, percentOf, scalar, share, timed } from './model.js';
import { Generator } from './random.js';
import { clamp, fromPad, joined, lerp, pictures, range, rows, shareBelow } from './tensors.js';

const [ROWS, COLUMNS] = [4, 6];
const round = Math.fround;

/** Styles of codes, one per layer. */
async function stylesOf(model, codes, labels, psi) {
  const given = { codes: batch(codes, model.latent_dim), labels: labelled(labels), truncation_psi: scalar(psi) };
  return (await model.run('styles', given)).styles;
}

async function synthesized(model, styles, n) {
  const { images } = await model.run('synthesize', { styles: batch(styles, model.num_layers, styles.length / n / model.num_layers) });
  return images;
}

const codesOf = (model, seeds) => joined(seeds.map((seed) => new Generator(seed).randn(model.latent_dim)));

/** One class n times, or every class in turn from the `first`. */
function classesFrom(model, first, n, label) {
  if (label !== EACH || !model.conditional) return labelsOf(model, label, n);
  return range(n).map((i) => (first + i) % model.classes.length);
}

async function generate({ label, seed, n, truncation_psi: psi }, model) {
  const [images, ms] = await timed(async () => {
    const asked = labelsOf(model, label, n);
    const drawn = range(n, seed).map((one, i) => {
      const generator = new Generator(one);
      const codes = generator.randn(model.latent_dim);
      const class_ = asked[i] < 0 && model.num_classes ? generator.randint(model.num_classes, 1)[0] : asked[i];
      return { codes, class_ };
    });
    const codes = joined(drawn.map((one) => one.codes));
    const labels = drawn.map((one) => one.class_);
    return synthesized(model, await stylesOf(model, codes, labels, psi), n);
  });
  return { samples: pictures(images, model.shape), words: inWords(n, ms), ms };
}

/** Spherical interpolation of two vectors; their lengths are interpolated too. */
function slerp(a, b, t) {
  const length = (v) => Math.sqrt(v.reduce((sum, value) => sum + value * value, 0));
  const [long, far] = [length(a), length(b)];
  const cosine = a.reduce((sum, value, i) => sum + (value / long) * (b[i] / far), 0);
  const angle = Math.acos(clamp(cosine, -1 + 1e-6, 1 - 1e-6));
  const [here, there] = [Math.sin((1 - t) * angle), Math.sin(t * angle)].map((part) => part / Math.sin(angle));
  const reach = long + t * (far - long);
  return a.map((value, i) => reach * (here * (value / long) + there * (b[i] / far)));
}

async function walk({ label, space, truncation_psi: psi, seed, stops, frames }, model) {
  const labels = classesFrom(model, seed, stops, label);
  const seeds = range(stops, seed);
  const d = model.latent_dim;
  const codes = codesOf(model, seeds);
  const places = range(frames).map((i) => {
    const position = round((i * stops) / frames);
    const here = Math.floor(position);
    return { here, there: (here + 1) % stops, t: round(position - here) };
  });
  const at = (end) => joined(places.map((place) => rows(codes, d, place[end])));
  const way = () => joined(places.map(({ here, there, t }) => slerp(rows(codes, d, here), rows(codes, d, there), t)));
  const [first, last] = space === 'z' ? [way(), way()] : [at('here'), at('there')];
  const ends = [
    await stylesOf(
      model,
      first,
      places.map(({ here }) => labels[here]),
      psi,
    ),
    await stylesOf(
      model,
      last,
      places.map(({ there }) => labels[there]),
      psi,
    ),
  ];
  const size = ends[0].length / frames;
  const styles = joined(places.map(({ t }, i) => lerp(rows(ends[0], size, i), rows(ends[1], size, i), t)));
  const images = await synthesized(model, styles, frames);
  const picture = images.length / frames;
  const strip = joined(range(stops).map((i) => rows(images, picture, Math.floor((i * frames) / stops))));
  const named = (i) => `seed ${seed + i}${labels[i] >= 0 ? ` (${model.classes[labels[i]]})` : ''}`;
  const captions = range(frames).map((frame) => {
    const here = Math.floor((frame * stops) / frames);
    const rest = (frame * stops) % frames;
    return rest ? `${named(here)} → ${named((here + 1) % stops)}, ${percentOf((100 * rest) / frames)} %` : named(here);
  });
  return { film: { frames: pictures(images, model.shape), captions }, strip: pictures(strip, model.shape) };
}

async function mix({ crossover, label, truncation_psi: psi, row_seed, column_seed }, model) {
  const styles = (first, n) => stylesOf(model, codesOf(model, range(n, first)), classesFrom(model, 0, n, label), psi);
  const [left, top] = [await styles(row_seed, ROWS), await styles(column_seed, COLUMNS)];
  const size = left.length / ROWS;
  const cut = (crossover * size) / model.num_layers;
  const cells = range(ROWS * COLUMNS).map((i) => {
    const cell = rows(top, size, i % COLUMNS).slice();
    cell.set(rows(left, size, Math.floor(i / COLUMNS)).subarray(0, cut));
    return cell;
  });
  const n = ROWS + COLUMNS + ROWS * COLUMNS;
  const images = await synthesized(model, joined([left, top, ...cells]), n);
  const part = (from, to) => pictures(rows(images, images.length / n, from, to), model.shape);
  return { table: { left: part(0, ROWS), top: part(ROWS, ROWS + COLUMNS), cells: part(ROWS + COLUMNS, n) } };
}

async function critic({ picture }, model) {
  const images = fromPad(picture, model.shape);
  const { scores } = await model.run('realism', { images: batch(images, ...model.shape), labels: labelled([-1]) });
  const [score] = scores;
  const { test, samples, histogram } = model.known.realism;
  const [above_test, above_samples] = [shareBelow(test, score), shareBelow(samples, score)];
  return {
    realism: {
      above: histogram.test,
      below: histogram.samples,
      edges: histogram.edges,
      mark: score,
      left: 'looks generated',
      right: 'looks real',
    },
    words: `More real to the critic than **${share(above_test)}** of real test images and **${share(above_samples)}** of this GAN's pictures.`,
    score,
    above_test,
    above_samples,
  };
}

export const SECTIONS = { 'gan.generate': generate, 'gan.walk': walk, 'gan.mix': mix, 'gan.critic': critic };
