// What the sections answer, computed here: for each the same as its function in genmodels/wrappers gives for the same state.
import * as autoencoder from './autoencoder.js';
import * as diffusion from './diffusion.js';
import * as flow from './flow.js';
import * as gan from './gan.js';
import * as overview from './overview.js';
import * as pixelcnn from './pixelcnn.js';
import * as vae from './vae.js';

const SECTIONS = {
  ...autoencoder.SECTIONS,
  ...vae.SECTIONS,
  ...gan.SECTIONS,
  ...flow.SECTIONS,
  ...pixelcnn.SECTIONS,
  ...diffusion.SECTIONS,
  ...overview.SECTIONS,
};

/** The answers to a state, one or step by step. @param {object} state checked @param {object} model facts, data, run(graph, inputs) */
export async function* answers(section, state, model) {
  const found = SECTIONS[section](state, model);
  if (found[Symbol.asyncIterator]) yield* found;
  else yield await found;
}
