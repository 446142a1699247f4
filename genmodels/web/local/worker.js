// The worker in which everything is computed, so that the page never freezes. It is told {id, section, state, model} and answers
// {id, answer}, {id, bytes} while files come, {id, done} or {id, error}; {id, stop} ends one.
import { answers } from './answers.js';
import { Refusal, Runtime } from './runtime.js';

let runtime = null;
let asking = null; // whose files are coming
const stopped = new Set();

async function answered({ id, section, state, model }) {
  asking = id;
  try {
    const given = { ...model, run: (graph, inputs) => runtime.run(model.graphs[graph], `The model ${model.name}`, inputs) };
    await Promise.all([runtime.ort, ...model.needs.map((graph) => runtime.session(model.graphs[graph], `The model ${model.name}`))]);
    if (!section) return postMessage({ id, done: true }); // it was to be made ready
    for await (const answer of answers(section, state, given)) {
      if (stopped.has(id)) break;
      postMessage({ id, answer });
    }
    postMessage({ id, done: true });
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error);
    postMessage({ id, error: error instanceof Refusal ? error.message : 'Something went wrong in this browser; its console says what.' });
  } finally {
    stopped.delete(id);
  }
}

let chain = Promise.resolve(); // one after the other: there is one thread
addEventListener('message', ({ data }) => {
  if (data.base) runtime = new Runtime(new URL(data.base), data.files, (bytes) => postMessage({ id: asking, bytes }));
  else if (data.stop) stopped.add(data.id);
  else chain = chain.then(() => answered(data));
});
