// A backend without a server (see elements/backend.js): states are checked here, answers computed in a worker. Every section
// has a poster, its answers to the state that it begins with, so that something is there before anything large is loaded.
import { bare } from '../elements/address.js';
import { elementOf } from './names.js';
import { parsed, Refused } from './parse.js';
import { fetchedJson, lacking } from './runtime.js';
import { read } from './upload.js';

const GONE = 'The worker that computes has stopped: this browser may have too little memory; reload the page.';
const RUNTIME = 'runtime/ort.wasm.gz';
const BARE = /\.(safetensors|json)\.gz$/; // files that no runtime is needed for
const SMALL = matchMedia('(max-width: 900px) and (pointer: coarse)');

/**
 * Tells of 'gm-load': {section, state: 'asks' | 'loads' | 'ready' | 'failed', loaded, total, several: models, exact, again, accept, error};
 * again: to be asked again then.
 */
export class LocalBackend extends EventTarget {
  together = 1; // readings of a drawing that are asked for in one question: each comes when its model is there
  facts = new Map(); // of models, and what was computed beforehand: promises
  ready = new Set(); // models whose files are here, for a section or a part of one
  coming = new Set(); // files that were asked for
  loads = new Map(); // by section: {loaded, total, running}
  calls = new Map(); // by number: what to do with a message of the worker
  count = 0;

  /** @param {URL} base of the folder @param {object} site its site.json @param {boolean} [wait] for a tap before anything large is loaded */
  constructor(base, site, wait = SMALL.matches || Boolean(navigator.connection?.saveData)) {
    super();
    Object.assign(this, { base, site, wait, why: lacking() });
    this.sections = Object.fromEntries([...site.spec.tabs.flatMap((tab) => tab.sections), ...site.hidden].map((spec) => [spec.key, spec]));
  }

  /** The element by which an article shows a section without a frame. */
  elementOf(key) {
    return elementOf(key);
  }

  // -- as a backend ------------------------------------------------------------------------------------------------------

  async ask(section, state) {
    let last = { error: 'Nothing was computed.' };
    try {
      if (HELPERS[section]) return await HELPERS[section](this, state ?? {});
      for await (const answer of this.steps(section, state, false)) last = answer;
    } catch (error) {
      return refusal(error);
    }
    return last;
  }

  async *follow(section, state, signal, _lane = '', waits = () => {}) {
    try {
      yield* this.steps(section, state, true, signal, waits);
    } catch (error) {
      if (!signal?.aborted) yield refusal(error);
    }
  }

  /** The answers to a state; of touch sections one. */
  async *steps(section, values, work, signal, waits = () => {}) {
    const spec = this.sections[section];
    if (!spec || spec.work !== work) throw new Refused(`There is no section ${JSON.stringify(section)} on this page.`);
    const state = await this.parse(spec, values);
    if (spec.subject === 'data') {
      const { readings } = await import('./readings.js');
      yield* readings(this, spec, state, signal, waits);
      return;
    }
    const poster = this.isReady(spec, state.model) ? null : await this.poster(spec, state);
    if (poster && !this.why) {
      if (this.wait) this.offer(spec, state.model, poster);
      else this.ahead(spec, state.model, poster);
    }
    if (!poster) await this.make(spec, [[spec.key, state.model]], signal, waits);
    const question = { section, state, work, model: await this.modelOf(spec.key, state.model) };
    for await (const answer of poster?.answers ?? this.call(question, signal))
      yield work ? { ...answer, complete: Boolean(answer.done) } : answer;
  }

  parse(spec, values) {
    return parsed(
      spec,
      values,
      (model) => this.factsOf(model),
      (model) => this.site.spec.facts[model].data,
    );
  }

  /** What is known of a model beside its graphs: classes, shape, examples, figures. */
  factsOf(model) {
    if (!this.facts.has(model)) {
      const found = fetchedJson(new URL(this.site.models[model].facts, this.base), `What is known of ${model}`);
      found.catch(() => this.facts.delete(model));
      this.facts.set(model, found);
    }
    return this.facts.get(model);
  }

  /** A model as the worker needs it for a section, or a part of one. */
  async modelOf(key, name) {
    const { strips, ...facts } = await this.factsOf(name);
    const { files, weights } = this.site.models[name];
    return { ...facts, name, files, weights, needs: this.site.needs[key] };
  }

  /** What was computed when the page was made; null where it can't be had. */
  beforehand({ file }) {
    if (!this.facts.has(file))
      this.facts.set(
        file,
        fetchedJson(new URL(file, this.base), 'The poster').catch(() => null),
      );
    return this.facts.get(file);
  }

  // -- posters -----------------------------------------------------------------------------------------------------------

  /**
   * The answers that were computed when the page was made, if they are those to this state (exact), or stand in for others until
   * the visitor has had the model loaded; else null.
   */
  async poster(spec, state) {
    const poster = this.site.posters[spec.key]?.[state.model];
    if (!poster) return null;
    const exact = JSON.stringify(state) === JSON.stringify(await this.parse(spec, { model: state.model, ...poster.state }));
    if (!exact && (!this.wait || this.why || this.site.shown[spec.key])) return null;
    const answers = await this.beforehand(poster);
    return answers && { exact, answers, cut: poster.cut };
  }

  // -- the worker --------------------------------------------------------------------------------------------------------

  isReady(spec, model) {
    return this.ready.has(`${spec.key} ${model}`);
  }

  /** Files that [section or part, model]s need and that nobody has asked for yet. */
  missing(parts) {
    const needed = parts.flatMap(([key, model]) => {
      const { files, weights } = this.site.models[model];
      return this.site.needs[key].flatMap((name) => [files[name], weights[name]].filter(Boolean));
    });
    const all = new Set([...(needed.every((file) => BARE.test(file)) ? [] : [RUNTIME]), ...needed]);
    return [...all].filter((file) => !this.coming.has(file));
  }

  bytesOf(files) {
    return files.reduce((sum, file) => sum + this.site.sizes[file], 0);
  }

  tell(spec, state, more = {}) {
    const section = this.site.shown[spec.key] ?? spec.key;
    this.dispatchEvent(new CustomEvent('gm-load', { detail: { section, state, ...more } }));
  }

  /** Loads what is needed for what is touched next; a film of which the poster has the end alone is asked for again. */
  async ahead(spec, model, { cut }) {
    try {
      await this.make(spec, [[spec.key, model]]);
      if (cut) this.tell(spec, 'ready', { again: true });
    } catch (error) {
      console.warn(error.message); // it is told where something is touched
    }
  }

  /** Says what would be loaded, and loads it when the visitor accepts. */
  offer(spec, model, { exact, cut }) {
    const accept = async () => {
      this.wait = false;
      try {
        await this.make(spec, [[spec.key, model]]);
      } catch (error) {
        this.tell(spec, 'failed', { error: error.message });
      }
    };
    this.tell(spec, 'asks', { total: this.bytesOf(this.missing([[spec.key, model]])), exact, again: !exact || cut, accept });
  }

  /**
   * Has all loaded that is needed, after the visitor's tap where that is to be waited for.
   * @param {[string, string][]} parts sections, or parts of this one, with their models @param {[string, string][]} [offered] what the tap loads
   */
  async make(spec, parts, signal, waits = () => {}, offered = parts) {
    if (this.why) throw new Refused(this.why);
    if (parts.every((part) => this.ready.has(part.join(' ')))) return;
    if (this.wait) {
      waits('Waits for you to load the model.');
      await this.tapped(spec, { total: this.bytesOf(this.missing(offered)), several: offered.length > 1 });
    }
    const files = this.missing(parts);
    const load = this.loads.get(spec.key) ?? { loaded: 0, total: 0, running: 0 };
    this.loads.set(spec.key, load);
    load.running++;
    load.total += this.bytesOf(files);
    for (const file of files) this.coming.add(file);
    const came = (bytes) => {
      load.loaded += bytes;
      this.tell(spec, 'loads', load);
      waits(`Loading ${(load.loaded / 1e6).toFixed(1)} of ${(load.total / 1e6).toFixed(1)} MB …`);
    };
    this.tell(spec, 'loads', load);
    try {
      for (const [key, name] of parts) {
        for await (const _ of this.call({ model: await this.modelOf(key, name) }, signal, came));
        this.ready.add(`${key} ${name}`);
      }
    } catch (error) {
      for (const file of files) this.coming.delete(file);
      throw error;
    } finally {
      load.running--;
      if (!load.running) {
        this.loads.delete(spec.key);
        this.tell(spec, 'ready');
      }
    }
  }

  /** The visitor's tap; one for all that wait for it. */
  tapped(spec, more) {
    this.taps ??= new Map();
    if (!this.taps.has(spec.key)) {
      const tap = new Promise((accept) => this.tell(spec, 'asks', { ...more, exact: true, accept })).then(() => {
        this.wait = false;
        this.taps.delete(spec.key);
      });
      this.taps.set(spec.key, tap);
    }
    return this.taps.get(spec.key);
  }

  /** Starts the worker; a page of another origin may not run its script, but one of its own that imports it. */
  start() {
    const script = new URL('local/worker.js', this.base);
    const own = new Blob([`import ${JSON.stringify(script.href)};`], { type: 'text/javascript' });
    this.worker = new Worker(script.origin === location.origin ? script : URL.createObjectURL(own), { type: 'module' });
    this.worker.onmessage = ({ data }) => this.calls.get(data.id)?.(data);
    this.worker.onerror = () => {
      for (const told of this.calls.values()) told({ error: GONE });
      this.worker = null; // the next question starts another one
      this.ready.clear();
      this.coming.clear();
    };
    this.worker.postMessage({ base: this.base.href });
  }

  /** What the worker answers. */
  async *call(question, signal, came = () => {}) {
    if (!this.worker) this.start();
    const id = ++this.count;
    const told = [];
    let wake = () => {};
    this.calls.set(id, (data) => {
      if (data.bytes) return came(data.bytes);
      told.push(data);
      wake();
    });
    const stop = () => {
      told.push({ done: true });
      wake();
    };
    signal?.addEventListener('abort', stop);
    try {
      this.worker.postMessage({ id, ...question });
      for (;;) {
        while (!told.length) await new Promise((resolve) => (wake = resolve));
        const { answer, done, error } = told.shift();
        if (error) throw new Refused(error);
        if (done) return;
        yield answer;
      }
    } finally {
      this.calls.delete(id);
      signal?.removeEventListener('abort', stop);
      this.worker?.postMessage({ id, stop: true }); // does nothing where it is done
    }
  }
}

/** What is told of an error; the console tells more of one that nobody foresaw. */
export function refusal(error) {
  if (!(error instanceof Refused) && error.name !== 'Refusal') console.error(error);
  return { error: error.message, field: error.field ?? '' };
}

// -- what the page itself asks -------------------------------------------------------------------------------------------

async function named(backend, { model }) {
  if (!backend.site.models[model]) throw new Refused(`There is no model ${JSON.stringify(model)} on this page.`);
  return backend.factsOf(model);
}

/** What people call a data set. */
export const titleOf = ({ site }, data) =>
  Object.values(site.spec.facts)
    .find((fact) => fact.data === data)
    ?.title.toLowerCase() ?? data;

/** What a link says, checked; note: that the weights here are others than the link's. */
async function checked(backend, { section, state: values }) {
  const spec = backend.sections[section];
  if (!spec) throw new Refused(`There is no section ${JSON.stringify(section)} on this page.`);
  const state = await backend.parse(spec, values);
  const said = values[spec.subject];
  const [name, told] = [bare(said), said?.split('@')[1]?.slice(0, 6)];
  const { facts, weights } = backend.site.spec;
  const [here, which] = facts[name] ? [facts[name].weights, `of ${name}`] : [weights[name], `for ${titleOf(backend, name)}`];
  const note =
    told && !here.startsWith(told) && `This was made with other weights ${which} (${told}); what you see comes from those here (${here}).`;
  return { state: Object.fromEntries(Object.keys(values).map((key) => [key, state[key]])), ...(note ? { note } : {}) };
}

const HELPERS = {
  'page.state': checked,
  'page.examples': async (...asked) => ({ strips: (await named(...asked)).strips }),
  'page.points': async (...asked) => (await named(...asked)).points,
  'page.upload': async (backend, state) => read(state.file, await named(backend, state)),
  'page.about': async (backend, { tab }) => fetchedJson(new URL(`about/${tab}.json.gz`, backend.base), 'The text'),
};
