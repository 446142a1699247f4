// The worker in which everything is computed, so that the page never freezes. It is told {id, section, state, model} and answers
// {id, answer}, {id, bytes} while files come, {id, done} or {id, error}; {id, stop} ends one.
import { answers } from './answers.js';
import { Refusal, Runtime } from './runtime.js';

let runtime = null;
const stopped = new Set();
/** Lets messages in, a stop say. */
const pause = () => new Promise((resolve) => setTimeout(resolve));

async function answered({ id, section, state, model, work }) {
  try {
    const came = (bytes) => postMessage({ id, bytes });
    const what = `The model ${model.name}`;
    const file = (graph) => ({ file: model.graphs[graph], weights: model.weights[graph] });
    await Promise.all([runtime.ort(came), ...model.needs.map((graph) => runtime.session(file(graph), what, came))]);
    const given = { ...model, run: (graph, inputs) => runtime.run(file(graph), what, inputs) };
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
