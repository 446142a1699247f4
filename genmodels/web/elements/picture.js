// Pictures on canvases. A picture of an answer is {pixels, shape}: base64, and [N, C, H, W] or [C, H, W].
import { bytesOf } from './bytes.js';

/** The ImageData of one picture of c channels in `bytes`, from `start` on. */
export function imageOf(bytes, [c, h, w], start = 0) {
  const image = new ImageData(w, h);
  for (let i = 0; i < w * h; i++) {
    for (let k = 0; k < 3; k++) image.data[i * 4 + k] = bytes[start + i * c + (c === 3 ? k : 0)];
    image.data[i * 4 + 3] = 255;
  }
  return image;
}

/** Makes a canvas that large; setting even the same size would empty it, and cost a flicker. */
export function fit(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
}

/** The columns of a sheet of n pictures: about as many as lines, at most two and a half times as many if that fills the sheet. */
export function columnsFor(n) {
  const few = Math.ceil(Math.sqrt(n));
  for (let c = few; c <= Math.sqrt(2.5 * n); c++) if (n % c === 0) return c;
  return few;
}

/** Two sheets in a box lie below each other on a narrow screen if they have many columns, so that pictures stay large. */
export const stacked = (box, columns) => box.classList.toggle('gm-stacked', columns > 3);

/** Draws all pictures as one sheet; returns {columns, gap}. paper: the grey of the gaps, none = see-through. */
export function drawSheet(canvas, picture, columns = 0, gap = 2) {
  const bytes = bytesOf(picture.pixels);
  const [n, c, h, w] = picture.shape.length === 4 ? picture.shape : [1, ...picture.shape];
  const wide = Math.min(n, columns || columnsFor(n));
  const high = Math.ceil(n / wide);
  fit(canvas, wide * (w + gap) - gap, high * (h + gap) - gap);
  const view = canvas.getContext('2d');
  view.clearRect(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < n; i++) {
    view.putImageData(imageOf(bytes, [c, h, w], i * c * h * w), (i % wide) * (w + gap), Math.floor(i / wide) * (h + gap));
  }
  return { columns: wide, gap };
}

/** The i-th picture alone, as the pads speak: {pixels: Uint8Array, shape: [C, H, W]}. */
export function pictureAt(picture, i) {
  const [, c, h, w] = picture.shape.length === 4 ? picture.shape : [1, ...picture.shape];
  const size = c * h * w;
  return { pixels: bytesOf(picture.pixels).subarray(i * size, (i + 1) * size), shape: [c, h, w] };
}

/** Draws a single picture {pixels: base64 or bytes, shape: [C, H, W]} at its own size. */
export function showPicture(canvas, picture) {
  fit(canvas, picture.shape[2], picture.shape[1]);
  canvas
    .getContext('2d')
    .putImageData(imageOf(typeof picture.pixels === 'string' ? bytesOf(picture.pixels) : picture.pixels, picture.shape), 0, 0);
}
