// The worker in which everything is computed, so that the page never freezes. It is told {id, section, state, model} and answers
// {id, answer}, {id, bytes} while files come, {id, done} or {id, error}; {id, stop} ends one.
import { answers } from './answers.js';
import { Refusal, Runtime } from './runtime.js';

let runtime = null;
const stopped = new Set();
/** Lets messages in, a stop say. */
const pause = () => new Promise((resolve) => setTimeout(resolve));

/** A model with what it needs: run(graph, inputs), and the files that are no graphs, unpacked. */
async function ready(model, came) {
  const what = `The model ${model.name}`;
  const graph = (name) => ({ file: model.files[name], weights: model.weights[name] });
  const found = { ...model, known: {}, run: (name, inputs) => runtime.run(graph(name), what, inputs) };
  await Promise.all(
    model.needs.map(async (name) => {
      if (name === 'checkpoint') found.checkpoint = await runtime.tensors(model.files[name], what, came);
      else if (name.startsWith('known.')) Object.assign(found.known, await runtime.json(model.files[name], what, came));
      else await runtime.session(graph(name), what, came);
    }),
  );
  if (model.map) found.map = await ready(model.map, came);
  return found;
}

async function answered({ id, section, state, model, work }) {
  try {
    const given = await ready(model, (bytes) => postMessage({ id, bytes }));
    for await (const answer of section ? answers(section, state, given) : []) {
      if (stopped.has(id)) break;
      postMessage({ id, answer });
      if (work) await pause();
    }
    postMessage({ id, done: true });
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error);
    postMessage({ id, error: error instanceof Refusal ? error.message : 'Something went wrong in this browser; its console says what.' });
  }
  stopped.delete(id);
}

addEventListener('message', ({ data }) => {
  if (data.base) runtime = new Runtime(new URL(data.base));
  else if (data.stop) stopped.add(data.id);
  else answered(data);
});
