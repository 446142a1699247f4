// One drawing and what all families make of it (see web/elements/see.js): each family's model is loaded when a drawing asks for
// it, and its part is computed in the worker by itself, so that one that is missing leaves the others alone.
import { refusal, titleOf } from './backend.js';

/** The answers to a state, as wrappers/overview.py gives them; `note` beside a family's says what of the app's isn't here. */
export async function* readings(backend, spec, state, signal, waits) {
  const { families } = state;
  const beforehand = await poster(backend, spec, state);
  if (beforehand && !spec.work)
    yield { families: Object.fromEntries(families.map((key) => [key, noted(backend, state, key, beforehand[key])])) };
  else if (beforehand) yield { done: true, families: beforehand };
  else if (spec.work) yield* together(backend, spec, state, signal, waits);
  else {
    const parts = families.map((key) => last(steps(backend, spec, state, key, signal, waits)));
    const found = await Promise.all(parts);
    yield { families: Object.fromEntries(families.map((key, i) => [key, noted(backend, state, key, found[i])])) };
  }
}

/** What was computed when the page was made, if the drawing is that one. */
async function poster(backend, spec, state) {
  const { site } = backend;
  const found = site.posters[spec.key]?.[state.model];
  if (!found) return null;
  const begun = await backend.parse(spec, { data: state.data, ...found.state });
  const alike = (one) => JSON.stringify({ ...one, families: null });
  if (alike(begun) !== alike(state)) return null;
  const answers = await backend.beforehand(found);
  const known = answers?.at(-1).families;
  return known && state.families.every((key) => key in known || !reading(backend, state, key)?.[SAYS[spec.key]]) ? known : null;
}

/** Which key of a reading says what is computed: at once, and step by step. */
const SAYS = { 'overview.see': 'part', 'overview.fill': 'then' };
const reading = ({ site }, { data }, family) => site.readings[data]?.[family];

function noted(backend, state, family, part) {
  const found = reading(backend, state, family);
  if (!found) return { error: missing(backend, state) };
  return found.lacks ? { ...part, note: found.lacks } : part;
}

const missing = (backend, { data }) => `No model of it for ${titleOf(backend, data)} is on this page.`;

/** What takes many steps, of all families in turn, and in the end all of it together. */
async function* together(backend, spec, state, signal, waits) {
  const whole = {};
  const running = new Map(
    state.families.filter((key) => reading(backend, state, key)?.then).map((key) => [key, steps(backend, spec, state, key, signal, waits)]),
  );
  try {
    while (running.size && !signal?.aborted) {
      for (const [key, parts] of running) {
        const { value, done } = await parts.next();
        if (done) {
          running.delete(key);
          continue;
        }
        if (!value.progress) whole[key] = { ...whole[key], ...value };
        yield { families: { [key]: value } };
      }
    }
  } finally {
    for (const parts of running.values()) parts.return(); // who listens no more ends the work
  }
  yield { done: true, families: whole };
}

/** The answers of a family; {error} in one sentence where it can't. */
async function* steps(backend, spec, { data, picture, seed }, family, signal, waits) {
  try {
    const found = reading(backend, { data }, family);
    if (!found) return;
    const section = found[SAYS[spec.key]];
    const parts = [[section, found.model], ...(found.map && !spec.work ? [['see.map', found.map]] : [])];
    await backend.make(spec, parts, signal, waits, allParts(backend, data));
    const model = await backend.modelOf(section, found.model);
    if (parts[1]) model.map = await backend.modelOf(...parts[1]);
    yield* backend.call({ section, state: { picture, seed }, work: spec.work, model }, signal);
  } catch (error) {
    yield { error: refusal(error).error };
  }
}

/** What a tap has loaded: all that a data set's families need. */
function allParts({ site }, data) {
  return Object.values(site.readings[data]).flatMap(({ part, then, model, map }) =>
    [
      [part, model],
      [then, model],
      ['see.map', map],
    ].filter(([key, name]) => key && name),
  );
}

async function last(answers) {
  let found = null;
  for await (const answer of answers) found = answer;
  return found;
}
