// A section's state as the text of an address, and back: a link and the address that follows the visitor say the same.

/** What an address says beside a state: where to be, how the page looks, where the visitor comes from. */
const OTHERS = /^(tab|section|only|view|theme|hide|lock|ask|answer|fbclid|gclid|utm_.*|_.*)$/;
/** Whether a key is of a state; what else a picture tells of itself begins with a capital. */
export const isOfState = (key) => /^[a-z]/.test(key) && !OTHERS.test(key);
const NUMBERS = ['real', 'whole', 'seed', 'numbers', 'picks'];
const LISTS = ['choices', 'numbers', 'picks', 'drawings'];

/** What a field may be for a model: default, low, high, choices. @param {object} spec of a section */
export function fitOf(spec, model, key) {
  return spec.fits[model]?.[key] ?? spec.fits['*']?.[key] ?? {};
}

/** A model's or a data set's name, without the hash of the weights that may stand behind it: "vae2d-mnist@1a2b3c". */
export const bare = (name) => name?.split('@')[0];

/** What can be chosen: a choice is a value, or its title and the value. */
export const valuesOf = (choices = []) => choices.map((choice) => (Array.isArray(choice) ? choice[1] : choice));

/**
 * The state that an address describes, each value as its field's kind has it: lists by commas or by repeated keys. What is of
 * no such kind, and keys that the section doesn't have, stay text, for the server to say so.
 * @param {URLSearchParams} asked @param {object} spec of the section
 */
export function stateOf(asked, spec) {
  const model = bare(asked.get('model')) ?? spec.models[0];
  const keys = [...new Set(asked.keys())].filter((key) => !OTHERS.test(key));
  return Object.fromEntries(keys.map((key) => [key, typed(asked.getAll(key), spec.fields[key]?.kind, fitOf(spec, model, key))]));
}

/** The inverse: {key: text}; what is null is the default and not said. */
export function textOf(state) {
  const said = Object.entries(state).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(said.map(([key, value]) => [key, Array.isArray(value) ? value.join(',') : String(value)]));
}

/** Whether two states, or texts of states, say the same. */
export const same = (a, b) => JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());

/** What a lesson's link says beside a state, as text: what is hidden, what is fixed, a question, its answer; null if nothing. */
export function taughtBy(asked) {
  const said = ['hide', 'lock', 'ask', 'answer'].map((key) => [key, asked.get(key)?.trim()]).filter(([, value]) => value);
  return said.length ? Object.fromEntries(said) : null;
}

/** A query without the escapes that an address doesn't need. @param {URLSearchParams} query */
export const readable = (query) => `?${query}`.replaceAll('%2C', ',').replaceAll('%40', '@');

function typed(texts, kind, { choices }) {
  const offered = valuesOf(choices);
  const one = (text) => {
    if (NUMBERS.includes(kind)) return text.trim() && Number.isFinite(Number(text)) ? Number(text) : text;
    return offered.find((value) => String(value) === text) ?? text;
  };
  if (LISTS.includes(kind)) return texts.flatMap((text) => text.split(',').filter(Boolean)).map(one);
  return texts.length > 1 ? texts.map(one) : one(texts[0]);
}
