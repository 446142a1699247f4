// Pictures written pixel by pixel, as PixelCNNWriter in genmodels/models/pixelcnn.py writes them: of what has been written every
// layer's activations are kept, so that a pixel costs one column of the network. In float64, as there, and from the same weights:
// a seed gives the same picture. No graph: onnxruntime would be called 784 times for a digit, in float32.
import { range } from './tensors.js';

const COLDEST = 1e-3; // the lowest temperature that logits are divided by

/** y += W x, four rows at a time, whose sums don't wait for each other. @param {Float32Array} w `(rows, columns)` */
function add(y, w, x, rows, columns) {
  const fours = rows - (rows % 4);
  for (let r = 0, at = 0; r < fours; r += 4, at += 4 * columns) {
    let [a, b, c, d] = [y[r], y[r + 1], y[r + 2], y[r + 3]];
    for (let i = 0; i < columns; i++) {
      const v = x[i];
      a += v * w[at + i];
      b += v * w[at + columns + i];
      c += v * w[at + 2 * columns + i];
      d += v * w[at + 3 * columns + i];
    }
    y[r] = a;
    y[r + 1] = b;
    y[r + 2] = c;
    y[r + 3] = d;
  }
  for (let r = fours; r < rows; r++) for (let i = 0; i < columns; i++) y[r] += x[i] * w[r * columns + i];
  return y;
}

/** The first half of gates, as far as the second one lets it through. */
function glu(gates, out) {
  const n = out.length;
  for (let i = 0; i < n; i++) out[i] = gates[i] / (1 + Math.exp(-gates[n + i]));
  return out;
}

/** A network's layers, of the tensors by name. @param {Record<string, {data: Float32Array, shape: number[]}>} tensors */
class Network {
  constructor(tensors, { dilations }, channels) {
    const layer = (name) => ({
      weight: tensors[`${name}.weight`].data,
      bias: tensors[`${name}.bias`]?.data,
      shape: tensors[`${name}.weight`].shape,
    });
    const stack = (name, parts) => dilations.map((_, i) => Object.fromEntries(parts.map((part) => [part, layer(`${name}.${i}.${part}`)])));
    this.table = tensors['embedding.table'].data;
    [, this.levels, this.deep] = tensors['embedding.table'].shape;
    this.rowsAbove = layer('rows_above');
    this.pixelsLeft = layer('pixels_left');
    this.vertical = stack('vertical', ['label', 'gate', 'last']);
    this.horizontal = stack('horizontal', ['label', 'above', 'gate', 'last']);
    [this.classes] = this.vertical[0].label.shape; // the last is "no class"
    this.heads = range(channels).map((c) => ({
      hidden: layer(`heads.${c}.hidden`),
      last: layer(`heads.${c}.last`),
      before: range(c).map((k) => tensors[`heads.${c}.before.${k}.weight`].data),
    }));
    this.tall = this.rowsAbove.shape[0];
    this.wide = this.pixelsLeft.shape[0];
  }
}

const linear = ({ weight, bias, shape: [rows, columns] }, x) =>
  add(bias ? Float64Array.from(bias) : new Float64Array(rows), weight, x, rows, columns);

/** One picture that is being written, by one who was told its class. */
class Picture {
  /**
   * @param {Network} net @param {{fold: number, dilations: number[]}} config @param {Uint16Array} levels `(C, H, W)`, what is given among them
   * @param {Float64Array} pixels the same, embedded, with two rows above and two columns to the left
   */
  constructor(net, config, [channels, height, width], levels, pixels, label) {
    Object.assign(this, { net, config, channels, height, width, levels, pixels, label });
    this.cells = width / config.fold;
    this.above = config.dilations.map((d) => new Float64Array((d + height) * this.cells * net.tall)); // of each block what came in
  }

  /** Of a block's weights by class, those of this picture's. */
  told({ weight, shape: [, size] }) {
    return weight.subarray(this.label * size, (this.label + 1) * size);
  }

  /** Two rows of cells side by side: of each cell those `far` to both sides, in both rows; outside is 0. */
  static around(first, second, cell, far, cells, size, out) {
    out.fill(0);
    for (const [r, row] of [first, second].entries())
      for (const side of [0, 1, 2]) {
        const at = cell + (side - 1) * far;
        if (at >= 0 && at < cells) out.set(row.subarray(at * size, (at + 1) * size), (3 * r + side) * size);
      }
    return out;
  }

  /** What the rows above say to each block of the horizontal stack about a row's pixels. */
  begin(row) {
    const { net, cells, width } = this;
    const { fold, dilations } = this.config;
    const line = (r) => this.pixels.subarray((r * (width + 2) + 2) * net.deep, (r + 1) * (width + 2) * net.deep);
    const wide = fold * net.deep;
    const first = new Float64Array(6 * wide);
    let above = new Float64Array(cells * net.tall);
    for (let i = 0; i < cells; i++)
      above.set(linear(net.rowsAbove, Picture.around(line(row), line(row + 1), i, 1, cells, wide, first)), i * net.tall);
    const seen = new Float64Array(6 * net.tall);
    const half = new Float64Array(net.tall);
    this.contexts = net.vertical.map((block, b) => {
      const d = dilations[b];
      const size = cells * net.tall;
      const kept = this.above[b];
      kept.set(above, (row + d) * size);
      const next = above.slice();
      const told = this.told(block.label);
      for (let i = 0; i < cells; i++) {
        Picture.around(kept.subarray(row * size, (row + 1) * size), above, i, d, cells, net.tall, seen);
        const gates = linear(block.gate, seen);
        for (let k = 0; k < gates.length; k++) gates[k] += told[k];
        const own = next.subarray(i * net.tall, (i + 1) * net.tall);
        add(own, block.last.weight, glu(gates, half), net.tall, net.tall);
      }
      above = next;
      return this.context(net.horizontal[b], above);
    });
    this.left = dilations.map(() => []); // of each block what came in, pixel by pixel
  }

  context(block, above) {
    const { net, cells } = this;
    const told = this.told(block.label);
    const all = new Float64Array(this.width * 2 * net.wide);
    for (let i = 0; i < cells; i++)
      all.set(linear(block.above, above.subarray(i * net.tall, (i + 1) * net.tall)), (all.length / cells) * i);
    for (let i = 0; i < all.length; i++) all[i] += told[i % told.length];
    return all;
  }

  /** What is known of a pixel from those before it. */
  features(row, column) {
    const { net, config } = this;
    const start = ((row + 2) * (this.width + 2) + column) * net.deep;
    const h = linear(net.pixelsLeft, this.pixels.subarray(start, start + 2 * net.deep));
    const both = new Float64Array(2 * net.wide);
    const half = new Float64Array(net.wide);
    net.horizontal.forEach((block, b) => {
      const far = this.left[b][column - config.dilations[b]];
      this.left[b].push(h.slice());
      if (far) both.set(far);
      else both.fill(0, 0, net.wide);
      both.set(h, net.wide);
      const gates = this.contexts[b].slice(column * 2 * net.wide, (column + 1) * 2 * net.wide);
      add(gates, block.gate.weight, both, 2 * net.wide, 2 * net.wide);
      add(h, block.last.weight, glu(gates, half), net.wide, net.wide);
    });
    return h;
  }

  /** The logits of a channel's levels, given those of the channels before it. */
  logits({ hidden, last, before }, h, levelOf) {
    const inner = linear(hidden, h);
    before.forEach((table, k) => {
      const start = levelOf(k) * inner.length;
      for (let i = 0; i < inner.length; i++) inner[i] += table[start + i];
    });
    for (let i = 0; i < inner.length; i++) inner[i] /= 1 + Math.exp(-inner[i]);
    return linear(last, inner);
  }
}

/** One picture and how its levels are drawn; see Odds in genmodels/models/autoregressive.py. */
class Drawn {
  constructor(net, config, shape, { levels, label, uniforms }, { temperature, guidance_scale: scale }) {
    const [, height, width] = shape;
    const none = net.classes - 1;
    const pixels = new Float64Array((height + 2) * (width + 2) * net.deep);
    const told = (one) => new Picture(net, config, shape, levels, pixels, one);
    const guided = label !== none && scale !== 0 && scale !== 1;
    const asked = guided ? [told(label), told(none)] : [told(scale === 0 ? none : label)];
    Object.assign(this, { net, shape, levels, pixels, uniforms, temperature, scale, asked });
  }

  /** Draws the levels of a row, but those that are given. @returns {Float32Array} how unsure it was of each pixel, in bits */
  row(row, given) {
    const { net, levels, pixels, uniforms } = this;
    const [channels, height, width] = this.shape;
    const unsure = new Float32Array(width);
    for (const one of this.asked) one.begin(row);
    for (let x = 0; x < width; x++) {
      const features = this.asked.map((one) => one.features(row, x));
      const at = (c) => (c * height + row) * width + x;
      let bits = 0;
      for (let c = 0; c < channels; c++) {
        const odds = this.odds(features.map((h, i) => this.asked[i].logits(net.heads[c], h, (k) => levels[at(k)])));
        if (!given[row * width + x]) levels[at(c)] = drawn(odds, uniforms[at(c)]);
        bits += entropy(odds);
      }
      unsure[x] = bits;
      const pixel = ((row + 2) * (width + 2) + x + 2) * net.deep;
      for (let c = 0; c < channels; c++) {
        const vector = (c * net.levels + levels[at(c)]) * net.deep;
        for (let i = 0; i < net.deep; i++) pixels[pixel + i] += net.table[vector + i];
      }
    }
    return unsure;
  }

  /** The log-probabilities of the levels, from the logits of each that was asked. */
  odds([told, untold]) {
    const cold = Math.max(this.temperature, COLDEST);
    const odds = told.map((value, i) => (untold ? untold[i] + this.scale * (value - untold[i]) : value) / cold);
    const top = odds.reduce((a, b) => Math.max(a, b));
    const all = Math.log(odds.reduce((sum, value) => sum + Math.exp(value - top), 0));
    return odds.map((value) => value - top - all);
  }
}

/** The level at which the cumulative distribution passes a uniform number. */
function drawn(odds, uniform) {
  const cumulative = odds.map(Math.exp);
  for (let i = 1; i < cumulative.length; i++) cumulative[i] += cumulative[i - 1];
  const limit = uniform * cumulative[cumulative.length - 1];
  const level = cumulative.findIndex((value) => value > limit);
  return level < 0 ? odds.length - 1 : level;
}

const entropy = (odds) => -odds.reduce((sum, log) => sum + log * Math.exp(log), 0) / Math.LN2;

/**
 * Pictures, written row by row: after each {row, levels: of each picture `(C, H, W)`, unsure: of each the bits `(H, W)`}.
 * @param {object} tensors of the checkpoint @param {{fold: number, dilations: number[]}} config @param {number[]} shape
 * @param {{levels: Uint16Array, label: number, uniforms: Float64Array}[]} begun @param {ArrayLike<number>} given by pixel
 * @param {{temperature: number, guidance_scale: number}} knobs
 */
export function* written(tensors, config, shape, begun, given, knobs) {
  const net = new Network(tensors, config, shape[0]);
  const all = begun.map((one) => new Drawn(net, config, shape, one, knobs));
  const [, height, width] = shape;
  const unsure = begun.map(() => new Float32Array(height * width));
  for (let row = 0; row < height; row++) {
    all.forEach((picture, i) => unsure[i].set(picture.row(row, given), row * width));
    yield { row, levels: all.map(({ levels }) => levels), unsure };
  }
}
