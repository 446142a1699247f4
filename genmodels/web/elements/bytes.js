// Bytes as they travel: base64 of uint8 in height, width, channel order.

/** @param {string} text @returns {Uint8Array} */
export function bytesOf(text) {
  return Uint8Array.from(atob(text || ''), (c) => c.charCodeAt(0));
}

/** @param {Uint8Array} bytes @returns {string} */
export function textOf(bytes) {
  let raw = '';
  for (let i = 0; i < bytes.length; i += 4096) raw += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return btoa(raw);
}
