// The runtime (onnxruntime-web: WebAssembly, one thread) and the models' graphs: fetched when they are first needed, unpacked
// here because simple hosts don't compress, and kept.

/** A module that WebAssembly with 128-bit SIMD accepts, and one without doesn't. */
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

/** What can be told to a visitor in one sentence. */
export class Refusal extends Error {
  name = 'Refusal';
}

/** Why this browser can't compute; '' if it can. */
export function lacking() {
  if (typeof WebAssembly !== 'object') return 'This browser has no WebAssembly, in which the models run; a newer one has.';
  if (!WebAssembly.validate(new Uint8Array(SIMD)))
    return 'This browser’s WebAssembly lacks SIMD, which the models need; a newer one has it.';
  if (typeof DecompressionStream !== 'function') return 'This browser can’t unpack the models (DecompressionStream); a newer one can.';
  return '';
}

/**
 * A file, unpacked if it is gzipped. Hosts differ in whether they unpack .gz themselves, so its first bytes decide.
 * @param {string} address @param {string} what to call it @param {(bytes: number) => void} came told of every part
 * @returns {Promise<ArrayBuffer>}
 */
export async function fetched(address, what, came = () => {}) {
  const answer = await fetch(address).catch(() => null);
  if (!answer) throw new Refusal(`${what} can’t be loaded: the connection broke; try again.`);
  if (!answer.ok) throw new Refusal(`${what} is missing on this host (${answer.status}).`);
  const parts = [];
  try {
    for (const reader = answer.body.getReader(); ; ) {
      const { value, done } = await reader.read();
      if (done) break;
      parts.push(value);
      came(value.length);
    }
  } catch {
    throw new Refusal(`${what} can’t be loaded: the connection broke; try again.`);
  }
  const packed = new Blob(parts);
  const [first, second] = new Uint8Array(await packed.slice(0, 2).arrayBuffer());
  if (first !== 0x1f || second !== 0x8b) return packed.arrayBuffer();
  try {
    return await new Response(packed.stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
  } catch {
    throw new Refusal(`${what} is damaged or was cut off.`);
  }
}

/** The same as the JSON that it holds. */
export async function fetchedJson(address, what, came) {
  const bytes = await fetched(address, what, came);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new Refusal(`${what} is damaged or was cut off.`);
  }
}

/** The tensors of a safetensors file, all of float32: {data, shape} by name. @param {ArrayBuffer} bytes */
export function tensorsOf(bytes, what) {
  try {
    const start = 8 + Number(new DataView(bytes).getBigUint64(0, true));
    const { __metadata__, ...told } = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, start - 8)));
    const read = ({ shape, data_offsets: [from, to] }) => ({ shape, data: new Float32Array(bytes.slice(start + from, start + to)) });
    return Object.fromEntries(Object.entries(told).map(([name, one]) => [name, read(one)]));
  } catch {
    throw new Refusal(`${what} is damaged or was cut off.`);
  }
}

/** Who runs graphs. One for a page, whatever the number of elements on it. */
export class Runtime {
  kept = new Map(); // what was asked for: promises, by the files' names
  making = Promise.resolve(); // one session is made at a time
  turn = Promise.resolve(); // one graph runs at a time: there is one thread

  /** @param {URL} base address of the folder */
  constructor(base) {
    this.base = base;
  }

  once(key, make) {
    if (!this.kept.has(key)) {
      const promise = make();
      promise.catch(() => this.kept.delete(key)); // so that a second try can succeed
      this.kept.set(key, promise);
    }
    return this.kept.get(key);
  }

  /** onnxruntime-web's module, ready. @param {(bytes: number) => void} [came] told of every part that comes */
  ort(came) {
    return this.once('runtime', async () => {
      const why = lacking();
      if (why) throw new Refusal(why);
      const what = 'The runtime';
      const [ort, wasm] = await Promise.all([
        import(new URL('runtime/ort.mjs', this.base).href).catch(() => {
          throw new Refusal(`${what} is missing on this host.`);
        }),
        fetched(new URL('runtime/ort.wasm.gz', this.base), what, came),
      ]);
      ort.env.logLevel = 'error';
      Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: wasm });
      return ort;
    });
  }

  /** A file, unpacked; graphs may share one. */
  file(name, what, came) {
    return this.once(name, () => fetched(new URL(name, this.base), what, came));
  }

  /** What a file of JSON says. */
  json(name, what, came) {
    return this.once(name, () => fetchedJson(new URL(name, this.base), what, came));
  }

  /** A checkpoint's weights. */
  tensors(name, what, came) {
    return this.once(`${name} ready`, async () => tensorsOf(await this.file(name, what, came), what));
  }

  /** A graph, ready. @param {{file: string, weights?: string}} graph @param {string} what to call it */
  session({ file, weights }, what, came) {
    return this.once(`${file} ready`, async () => {
      const files = [file, weights].filter(Boolean).map((name) => this.file(name, what, came));
      const [ort, bytes, apart] = await Promise.all([this.ort(came), ...files]);
      const externalData = apart && [{ path: 'weights', data: new Uint8Array(apart) }];
      const options = { executionProviders: ['wasm'], graphOptimizationLevel: 'all', ...(externalData ? { externalData } : {}) };
      // one after the other: the runtime knows files by their paths alone, and forgets them when any session that had some is ready
      const mine = this.making.then(() => ort.InferenceSession.create(new Uint8Array(bytes), options));
      this.making = mine.catch(() => {});
      try {
        return await mine;
      } catch (error) {
        throw new Refusal(saidOf(error, `${what} is damaged or was cut off.`));
      }
    });
  }

  /**
   * What a graph computes. @param {Record<string, {data: ArrayLike<number>, dims: number[], type?: string}>} inputs; those that
   * the graph doesn't have, such as classes of a model that knows none, are left out @returns {Promise<Record<string, Float32Array>>}
   */
  async run(graph, what, inputs) {
    const [ort, session] = await Promise.all([this.ort(), this.session(graph, what)]);
    const feeds = {};
    for (const name of session.inputNames) {
      const { data, dims, type = 'float32' } = inputs[name];
      const whole = type === 'int64';
      feeds[name] = new ort.Tensor(type, whole ? BigInt64Array.from(data, BigInt) : Float32Array.from(data), dims);
    }
    const mine = this.turn.then(() => session.run(feeds));
    this.turn = mine.catch(() => {});
    try {
      const found = await mine;
      return Object.fromEntries(Object.entries(found).map(([name, tensor]) => [name, tensor.data]));
    } catch (error) {
      throw new Refusal(saidOf(error, `${what} failed in this browser; reload the page to try again.`));
    }
  }
}

const saidOf = (error, otherwise) =>
  /memory|allocat/i.test(String(error?.message ?? error))
    ? 'This browser gave the models too little memory; close other tabs and reload.'
    : otherwise;
