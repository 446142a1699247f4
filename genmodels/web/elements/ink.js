// Strokes, and the picture at a model's resolution that they make. Strokes are drawn on a layer with FINE × FINE points per
// pixel of the model.
export const FINE = 8;
/** Colours to draw with, and how wide thin, medium and thick are in pixels of the model, of 1 and of 3 channels. */
export const INKS = [
  '#1a1a1a',
  '#ffffff',
  '#8a8a8a',
  '#d9a066',
  '#7a4a21',
  '#c8352b',
  '#e8862e',
  '#f2d13c',
  '#3f9b45',
  '#2f6fd0',
  '#7b4bb3',
];
export const WIDTHS = {
  pen: { 1: [1.7, 2.5, 3.6], 3: [1, 2, 3] },
  erase: { 1: [2, 4, 7], 3: [1, 3, 5] },
  hide: { 1: [3, 6, 10], 3: [3, 6, 10] },
};

/**
 * One stroke {width, colour, points} on a layer, from its point `from` on; `place` maps the visitor's coordinates to where the
 * model sees them. Each piece is painted alone, also of a whole stroke: soft edges that lie on one another add up, so that a
 * stroke painted in one go would differ from the one that grew under the pen, and Undo would bring another drawing back.
 */
export function paint(context, entry, place = (p) => p, from = 0) {
  context.lineCap = context.lineJoin = 'round';
  context.lineWidth = entry.width * FINE;
  context.strokeStyle = context.fillStyle = entry.colour;
  const at = (i) => place(entry.points[i]).map((v) => v * FINE);
  for (let i = from; i < entry.points.length; i++) {
    context.beginPath();
    if (i === 0) {
      context.arc(...at(0), (entry.width * FINE) / 2, 0, 7);
      context.fill();
    } else {
      context.moveTo(...at(i - 1));
      context.lineTo(...at(i));
      context.stroke();
    }
  }
}

/**
 * The layer's ink over `base` (uint8 H*W*C), at the model's resolution. Grey pictures are averaged and softened like scanned
 * ink, colour pictures take the middle of each cell and stay pixel art.
 */
export function compose(context, base, [channels, height, width]) {
  const data = context.getImageData(0, 0, width * FINE, height * FINE).data;
  const cells = new Float32Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const o = (y * width + x) * 4;
      if (channels === 3) middle(data, cells, o, x, y, width);
      else mean(data, cells, o, x, y, width);
    }
  }
  if (channels === 1) soften(cells, height, width);
  const out = new Uint8Array(base);
  for (let i = 0; i < width * height; i++) {
    for (let k = 0; k < channels; k++) {
      const o = i * channels + k;
      const a = cells[i * 4 + 3];
      if (a > 0) out[o] = Math.round(Math.min(255, cells[i * 4 + k] + base[o] * (1 - a)));
    }
  }
  return out;
}

function middle(data, cells, o, x, y, width) {
  const p = ((y * FINE + FINE / 2) * width * FINE + x * FINE + FINE / 2) * 4;
  if (data[p + 3] <= 127) return;
  for (let k = 0; k < 3; k++) cells[o + k] = data[p + k];
  cells[o + 3] = 1;
}

function mean(data, cells, o, x, y, width) {
  let ink = 0;
  let cover = 0;
  for (let j = 0; j < FINE; j++) {
    for (let i = 0; i < FINE; i++) {
      const p = ((y * FINE + j) * width * FINE + x * FINE + i) * 4;
      ink += data[p] * data[p + 3];
      cover += data[p + 3];
    }
  }
  cells[o] = ink / (255 * FINE * FINE);
  cells[o + 3] = cover / (255 * FINE * FINE);
}

function soften(cells, height, width) {
  const turn = (step, edge) => {
    const before = cells.slice();
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (const k of [0, 3]) {
          const o = (y * width + x) * 4 + k;
          const at = edge ? y : x;
          const left = at > 0 ? before[o - step] : 0;
          const right = at < (edge ? height : width) - 1 ? before[o + step] : 0;
          cells[o] = 0.14 * left + 0.72 * before[o] + 0.14 * right;
        }
      }
    }
  };
  turn(4, false);
  turn(4 * width, true);
  for (let o = 0; o < cells.length; o += 4) {
    const gain = Math.min(1.4, 1 / cells[o + 3]); // saturated in the middle, as ink is
    cells[o] *= gain;
    cells[o + 3] *= gain;
  }
}

/**
 * Digits of the training set lie in a box of 20 pixels, their centre of mass in the middle: where a drawing goes to lie so,
 * as a function of its points; null if there is no ink. paper: the grey of the empty picture.
 */
export function centring(pixels, [channels, height, width], paper) {
  let mass = 0;
  let [sx, sy] = [0, 0];
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const v = Math.abs(pixels[(y * width + x) * channels] - paper);
      if (v < 25) continue;
      mass += v;
      sx += v * (x + 0.5);
      sy += v * (y + 0.5);
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
    }
  }
  if (!mass) return null;
  const zoom = Math.min(1, 20 / (Math.max(right - left, bottom - top) + 1));
  return ([x, y]) => [(x - sx / mass) * zoom + width / 2, (y - sy / mass) * zoom + height / 2];
}
