// A visitor's file on its way to the server.
import { textOf } from './bytes.js';

const LARGEST = 10e6; // bytes; the server refuses more

/** The answer of `key` to a file, {error} where it can't be one. @param {object} backend @param {string} key @param {string} model @param {File} file */
export async function upload(backend, key, model, file) {
  if (file.size > LARGEST) return { error: 'The file is too large; at most 10 MB are allowed.' };
  return backend.ask(key, { model, file: textOf(new Uint8Array(await file.arrayBuffer())) });
}
