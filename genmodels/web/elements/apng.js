// A film as an animated PNG, which browsers and many viewers play: frames that a canvas encodes, put together.
import { chunk, chunksOf, joined, save, textChunks } from './png.js';

const SIDE = 256; // pixels of the saved film, at least

/**
 * The bytes of an endless film of PNG files of one size.
 * @param {Uint8Array[]} pngs @param {number} milliseconds of each frame @param {object} info text
 */
function animated(pngs, milliseconds, info = {}) {
  const [head] = chunksOf(pngs[0]);
  const parts = [pngs[0].subarray(0, 8), chunk('IHDR', head.body), chunk('acTL', numbers(pngs.length, 0)), ...textChunks(info)];
  let count = 0; // of all chunks of frames, as the format wants it
  pngs.forEach((png, i) => {
    parts.push(chunk('fcTL', frameHead(count++, head.body, milliseconds)));
    for (const { kind, body } of chunksOf(png)) {
      if (kind === 'IDAT') parts.push(i ? chunk('fdAT', joined([numbers(count++), body])) : chunk('IDAT', body));
    }
  });
  return joined([...parts, chunk('IEND', new Uint8Array())]);
}

/** A frame of the whole size, that replaces the one before. */
function frameHead(count, head, milliseconds) {
  const out = new Uint8Array(26);
  const view = new DataView(out.buffer);
  view.setUint32(0, count);
  out.set(head.subarray(0, 8), 4); // width and height
  view.setUint16(20, milliseconds);
  view.setUint16(22, 1000);
  return out;
}

function numbers(...values) {
  const out = new Uint8Array(4 * values.length);
  values.forEach((value, i) => new DataView(out.buffer).setUint32(4 * i, value));
  return out;
}

/** Saves n frames as a film, enlarged. @param {(i: number) => ImageData} frame */
export async function downloadFilm(n, frame, milliseconds, info, name) {
  const small = document.createElement('canvas');
  const big = document.createElement('canvas');
  const pngs = [];
  for (let i = 0; i < n; i++) {
    const image = frame(i);
    const scale = Math.max(1, Math.ceil(SIDE / image.width));
    [small.width, small.height, big.width, big.height] = [image.width, image.height, image.width * scale, image.height * scale];
    small.getContext('2d').putImageData(image, 0, 0);
    const view = big.getContext('2d');
    view.imageSmoothingEnabled = false;
    view.drawImage(small, 0, 0, big.width, big.height);
    const blob = await new Promise((done) => big.toBlob(done, 'image/png'));
    pngs.push(new Uint8Array(await blob.arrayBuffer()));
  }
  save(animated(pngs, milliseconds, info), name);
}
