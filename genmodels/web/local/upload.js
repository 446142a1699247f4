// An uploaded file as a model sees pictures: upright, cut to its shape from the middle, ink on light paper inverted for a model of
// light strokes on black; see genmodels/data.py, whose resampling is another one.
import { bytesOf, textOf } from '../elements/bytes.js';
import { Refused } from './parse.js';

const COMMON = 'PNG, JPEG, WEBP and GIF work.';

/** @param {string} text base64 of the file @param {object} facts of the model: shape, background */
export async function read(text, { shape, background }) {
  const image = await createImageBitmap(new Blob([bytesOf(text)]), { imageOrientation: 'from-image' }).catch(() => null);
  if (!image) throw new Refused(`This file can’t be read as a picture; ${COMMON}`);
  const [channels, height, width] = shape;
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = 'high';
  const scale = Math.max(width / image.width, height / image.height);
  const [wide, high] = [image.width * scale, image.height * scale];
  pen.drawImage(image, (width - wide) / 2, (height - high) / 2, wide, high);
  const { data } = pen.getImageData(0, 0, width, height);
  const pixels = new Uint8Array(channels * height * width);
  for (let i = 0; i < height * width; i++) {
    const [r, g, b] = data.subarray(4 * i, 4 * i + 3);
    if (channels === 3) pixels.set([r, g, b], 3 * i);
    else pixels[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  }
  if (background === 0 && median(border(pixels, shape)) > 127) pixels.forEach((value, i) => (pixels[i] = 255 - value));
  return { pixels: textOf(pixels), mask: '', shape };
}

function border(pixels, [c, h, w]) {
  return pixels.filter((_, i) => {
    const [x, y] = [Math.floor(i / c) % w, Math.floor(i / c / w)];
    return x === 0 || y === 0 || x === w - 1 || y === h - 1;
  });
}

const median = (values) => values.slice().sort()[values.length >> 1];
