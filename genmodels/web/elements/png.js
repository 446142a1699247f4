// PNG files that say how they were made: text chunks of any script (iTXt, in UTF-8), written and read.

function crc(bytes) {
  let c = -1;
  for (const b of bytes) {
    c ^= b;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return (c ^ -1) >>> 0;
}

/** Arrays of bytes one after the other. @param {Uint8Array[]} parts */
export function joined(parts) {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A chunk: its length, kind, body and checksum. @param {string} kind @param {Uint8Array} body */
export function chunk(kind, body) {
  const out = new Uint8Array(body.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length);
  out.set(new TextEncoder().encode(kind), 4);
  out.set(body, 8);
  view.setUint32(8 + body.length, crc(out.subarray(4, 8 + body.length)));
  return out;
}

/** The chunks of a PNG: [{kind, body}]. @param {Uint8Array} png */
export function chunksOf(png) {
  const found = [];
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = 8; at + 12 <= png.length; at += 12 + view.getUint32(at)) {
    found.push({
      kind: String.fromCharCode(...png.subarray(at + 4, at + 8)),
      body: png.subarray(at + 8, at + 8 + view.getUint32(at)),
    });
  }
  return found;
}

/** One iTXt chunk. @param {string} key @param {string} text */
function textChunk(key, text) {
  const latin = [...key].every((c) => c >= ' ' && c <= '~') ? key : 'Comment';
  return chunk('iTXt', new TextEncoder().encode(`${latin.slice(0, 79)}\0\0\0\0\0${text}`));
}

/** A PNG's bytes with `info` as text, right behind its head. */
export function withText(png, info) {
  const head = 33; // signature and IHDR
  return joined([png.subarray(0, head), ...textChunks(info), png.subarray(head)]);
}

export function textChunks(info) {
  return Object.entries(info).map(([key, text]) => textChunk(key, typeof text === 'string' ? text : JSON.stringify(text)));
}

/** The text of a PNG written by `withText` (or by Pillow: tEXt, uncompressed iTXt): {key: text}. */
export function textOfPng(png) {
  const found = {};
  for (const { kind, body } of chunksOf(png)) {
    if (kind !== 'tEXt' && kind !== 'iTXt') continue;
    const end = body.indexOf(0);
    const key = String.fromCharCode(...body.subarray(0, end));
    if (kind === 'tEXt') found[key] = new TextDecoder('latin1').decode(body.subarray(end + 1));
    else if (body[end + 1] === 0) {
      const language = body.indexOf(0, end + 3);
      const translated = body.indexOf(0, language + 1);
      found[key] = new TextDecoder().decode(body.subarray(translated + 1));
    }
  }
  return found;
}

/** Saves a canvas as PNG, each of its points `scale` pixels wide, with `info` as text. */
export async function download(canvas, scale, info, name) {
  const big = document.createElement('canvas');
  big.width = canvas.width * scale;
  big.height = canvas.height * scale;
  const view = big.getContext('2d');
  view.imageSmoothingEnabled = false;
  view.drawImage(canvas, 0, 0, big.width, big.height);
  const blob = await new Promise((done) => big.toBlob(done, 'image/png'));
  save(withText(new Uint8Array(await blob.arrayBuffer()), info), name);
}

/** Gives a PNG's bytes, or another file's, to the visitor. */
export function save(bytes, name, type = 'image/png') {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = name.replace(/@[0-9a-f]+/, ''); // without the hash of the weights
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
