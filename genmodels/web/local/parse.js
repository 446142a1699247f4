// States as they come, from a link say, checked as genmodels/wrappers/state.py checks them on a server.
import { bare, fitOf, valuesOf } from '../elements/address.js';
import { bytesOf, textOf } from '../elements/bytes.js';

const MOST = 16; // of a few values, as in wrappers/overview.py
const WEIGHTS = /^[0-9a-f]{6,16}$/;
const BROKEN = (what) => `The ${what} of this link can’t be read: the link was cut off or changed.`;

/** A value that a state can't have, in one sentence; `field` is its key. */
export class Refused extends Error {
  constructor(message, field = '') {
    super(message);
    this.field = field;
  }
}

/** A value as a sentence shows it. */
export function shown(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 40 ? text : `${text.slice(0, 37)}…`;
}

/**
 * The state that untrusted values describe, what they don't say at its default.
 * @param {object} spec of the section @param {any} values @param {(model: string) => Promise<object>} factsOf a model: classes, shape,
 * strips (of examples) @param {(model: string) => string} dataOf a model: the data set
 */
export async function parsed(spec, values, factsOf, dataOf) {
  if (!values || typeof values !== 'object' || Array.isArray(values))
    throw new Refused(`A state is an object of values, not ${shown(values)}.`);
  const { subject } = spec;
  const keys = [...(subject ? [subject] : []), ...Object.keys(spec.fields)];
  const unknown = Object.keys(values).find((key) => !keys.includes(key));
  const told = keys.length ? `the keys are ${keys.join(', ')}` : 'nothing is chosen here';
  if (unknown !== undefined) throw new Refused(`There is no key ${shown(unknown)}; ${told}.`);
  const model = modelOf(spec, values[subject], dataOf);
  const state = subject === 'data' ? { model, data: dataOf(model) } : { model };
  for (const [key, field] of Object.entries(spec.fields)) {
    const fit = fitOf(spec, model, key);
    try {
      state[key] = await CHECKS[field.kind](values[key] ?? fit.default, {
        ...fit,
        what: lower(field.label),
        model,
        facts: () => factsOf(model),
      });
    } catch (error) {
      throw error instanceof Refused ? new Refused(error.message, key) : error;
    }
  }
  return state;
}

/** The model to which the other values are fitted: the one that is named, or the first one of a data set. */
function modelOf({ subject, models }, value, dataOf) {
  const offered = Object.fromEntries(models.map((name) => [subject === 'data' ? dataOf(name) : name, name]));
  if (value === undefined || value === null) return models[0];
  if (typeof value === 'string') {
    const [name, weights] = [bare(value), value.split('@')[1] ?? ''];
    if (Object.hasOwn(offered, value)) return offered[value];
    if (WEIGHTS.test(weights) && Object.hasOwn(offered, name)) return offered[name];
  }
  const what = subject === 'data' ? 'data set' : 'model';
  throw new Refused(`There is no ${what} ${shown(value)} here; the ${what}s are ${Object.keys(offered).join(', ')}.`, subject);
}

const lower = (label) => label.slice(0, 1).toLowerCase() + label.slice(1);

function whole(value, { low, high, what }) {
  if (typeof value !== 'number' || !(low <= value && value <= high) || !Number.isInteger(value))
    throw new Refused(`The ${what} must be a whole number from ${low} to ${high}, not ${shown(value)}.`);
  return value;
}

function real(value, { low, high, what }, named = `The ${what}`) {
  if (typeof value !== 'number' || !(low <= value && value <= high))
    throw new Refused(`${named} must be a number from ${low} to ${high}, not ${shown(value)}.`);
  return value;
}

async function label(value, { choices, facts, model }) {
  if (choices.includes(value)) return value;
  const { classes, conditional } = await facts();
  const extra = choices.filter((choice) => !classes.includes(choice));
  if (!conditional && extra.length) throw new Refused(`The model ${shown(model)} knows no classes: leave the class at ${shown(extra[0])}.`);
  if (conditional && Number.isInteger(value) && classes[value] !== undefined) return classes[value];
  throw new Refused(`Choose a class: ${choices.join(', ')}.`);
}

function choice(value, { choices, what }) {
  const offered = valuesOf(choices);
  if (!offered.includes(value)) throw new Refused(`The ${what} must be one of ${offered.join(', ')}, not ${shown(value)}.`);
  return value;
}

function several(value, { choices, what }) {
  if (!Array.isArray(value) || !value.length || value.length > MOST)
    throw new Refused(`The ${what} must be 1 to ${MOST} of those offered, not ${shown(value)}.`);
  for (const one of value) choice(one, { choices, what });
  return [...new Set(value)];
}

function text(value, { longest, what }) {
  if (typeof value !== 'string') throw new Refused(`The ${what} must be text, not ${shown(value)}.`);
  if (value.length > longest) throw new Refused(`The ${what} has ${value.length} characters; at most ${longest} are allowed.`);
  return value;
}

function numbers(value, fit) {
  const most = fit.default.length;
  if (!Array.isArray(value) || value.length < 1 || value.length > most)
    throw new Refused(`The ${fit.what} must be a list of 1 to ${most} numbers.`);
  return value.map((one, i) => real(one, fit, `Number ${i + 1} of the ${fit.what}`));
}

async function drawing(value, { facts }) {
  if (typeof value !== 'string' || !value) throw new Refused('There is no picture yet: draw one, pick an example or upload a file.');
  const { shape, strips } = await facts();
  if (value.startsWith('#')) return example(value, strips);
  return bytes(value, shape, 'picture', `The picture must have ${shape.join('x')} bytes`);
}

function example(value, strips) {
  const number = /^#-?\d+$/.test(value) ? Number(value.slice(1)) : Infinity;
  const found = number >= 0 ? strips[0].pictures[number] : strips.at(-1).pictures[-1 - number];
  if (!found) throw new Refused(`There is no example ${shown(value)}: they go from #0 on, those of other kinds from #-1 down.`);
  return found.pixels;
}

async function hidden(value, { facts }) {
  const { shape } = await facts();
  const [, height, width] = shape;
  if (value === '') return '';
  if (value === 'lower half') return textOf(new Uint8Array(height * width).fill(1, Math.floor(height / 2) * width));
  return bytes(value, [1, height, width], 'mask', `The mask must have ${height}x${width} bytes`);
}

/** A drawing's base64 of bytes of this shape, however it is told. */
async function bytes(value, shape, what, message) {
  if (typeof value === 'string' && value.startsWith('.')) return textOf(await unpacked(value, shape, what));
  let size = 0;
  try {
    size = bytesOf(value).length;
  } catch {
    throw new Refused(`${message} in base64.`);
  }
  if (size !== shape.reduce((a, b) => a * b, 1)) throw new Refused(`${message}, not ${size}.`);
  return value;
}

/** The bytes of a drawing that elements/packing.js has packed; never more than it has. */
async function unpacked(text, [channels, height, width], what) {
  const count = channels * height * width;
  const raw = new Uint8Array(count);
  try {
    const packed = bytesOf(text.slice(2).replaceAll('-', '+').replaceAll('_', '/'));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    let at = 0;
    for (const reader = stream.getReader(); ; ) {
      const { value, done } = await reader.read();
      if (done) break;
      if (at + value.length > count) {
        reader.cancel().catch(() => {});
        throw new Refused(BROKEN(what));
      }
      raw.set(value, at);
      at += value.length;
    }
    if (at !== count || !'dp'.includes(text[1])) throw new Refused(BROKEN(what));
  } catch {
    throw new Refused(BROKEN(what));
  }
  return text[1] === 'd' ? raw : foretold(raw, channels, channels * width);
}

/** The bytes of which these are the differences to Paeth's predictor. */
function foretold(found, step, row) {
  for (let i = 0; i < found.length; i++) {
    const inside = i % row >= step;
    const left = inside ? found[i - step] : 0;
    const up = i >= row ? found[i - row] : 0;
    const corner = inside && i >= row ? found[i - row - step] : 0;
    const far = [up - corner, left - corner, left + up - 2 * corner].map(Math.abs);
    found[i] += [left, up, corner][far.indexOf(Math.min(...far))];
  }
  return found;
}

const CHECKS = { whole, seed: whole, real, label, choice, choices: several, text, sentences: text, numbers, drawing, hidden };
