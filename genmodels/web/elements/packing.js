// Drawings in few letters, for links; see wrappers/packing.py, which unpacks them. Nothing is lost.
import { textOf } from './bytes.js';

/** A drawing's bytes in height, width, channel order, as short as it gets. @param {Uint8Array} bytes */
export async function packed(bytes, channels, width) {
  const ways = { d: bytes, p: unforeseen(bytes, channels, channels * width) };
  const texts = await Promise.all(Object.entries(ways).map(async ([way, values]) => `.${way}${letters(await deflated(values))}`));
  return texts.reduce((best, text) => (text.length < best.length ? text : best));
}

/** What each byte is beside Paeth's guess from its neighbours: small numbers where a picture is smooth. */
function unforeseen(bytes, step, row) {
  return bytes.map((value, i) => {
    const inside = i % row >= step;
    const left = inside ? bytes[i - step] : 0;
    const up = i >= row ? bytes[i - row] : 0;
    const corner = inside && i >= row ? bytes[i - row - step] : 0;
    const far = [up - corner, left - corner, left + up - 2 * corner].map(Math.abs);
    return value - [left, up, corner][far.indexOf(Math.min(...far))]; // an array of bytes keeps it modulo 256
  });
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Base64 in letters that need no escapes in an address. */
const letters = (bytes) => textOf(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
