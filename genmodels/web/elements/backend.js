// Who computes. A backend has ask(section, state) → Promise<answer> for what takes one network pass, and
// follow(section, state, signal, lane, waits) → async iterator of answers for what takes many steps; until they begin, waits is
// told in words how many are before. An answer with `error` is a refusal in one sentence, `field` the key of the state that it is
// about.

const NO_ANSWER = 'The server did not answer; try again.';

/** Gradio's page: direct calls of the component's server function, and the queue for work. */
export class GradioBackend {
  /** A visit's works are called by it, and the queue bounds how many it has under way. */
  visit = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('');
  works = 0;

  /** @param {{ask: Function}} server of the gr.HTML component. @param {string} root address of the app */
  constructor(server, root) {
    this.server = server;
    this.root = root.replace(/\/$/, '');
  }

  async ask(section, state) {
    const answer = await this.server.ask({ section, state }).catch(() => null); // Gradio answers a failure with nothing
    return answer ?? { error: NO_ANSWER };
  }

  async *follow(section, state, signal, lane = 'cpu', waits = () => {}) {
    const work = `${this.visit}.${++this.works}`;
    const sent = await fetch(`${this.root}/gradio_api/call/work_${lane}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ data: [section, state], session_hash: work }),
    }).catch(() => null);
    if (!sent?.ok) {
      const busy = sent?.status === 503 ? (await sent.json().catch(() => null))?.detail : null;
      if (!signal?.aborted) yield { error: busy ?? NO_ANSWER };
      return;
    }
    // what is in the queue by now ends when nobody listens any more, so somebody has to have listened
    const until = signal?.aborted ? AbortSignal.timeout(100) : signal;
    const stream = await fetch(`${this.root}/gradio_api/queue/data?session_hash=${work}`, { signal: until }).catch(() => null);
    if (!stream?.ok) {
      if (!signal?.aborted) yield { error: NO_ANSWER };
      return;
    }
    yield* events(stream.body, signal, waits);
  }
}

/** The answers in the queue's stream of server-sent events. */
export async function* events(body, signal, waits = () => {}) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      let end;
      while ((end = rest.indexOf('\n\n')) >= 0) {
        const answer = answerOf(rest.slice(0, end), waits);
        rest = rest.slice(end + 2);
        if (answer) yield answer;
        if (answer?.error) return;
      }
    }
  } catch (_error) {
    if (!signal?.aborted) yield { error: 'The connection broke; try again.' };
  } finally {
    reader.cancel().catch(() => {});
  }
}

function answerOf(event, waits) {
  const told = JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? '{}');
  if (told.msg === 'estimation') waits(place(told));
  if (told.msg === 'process_starts') waits('Starting …');
  if (told.msg === 'unexpected_error') return { error: 'The connection broke; try again.' };
  if (told.msg !== 'process_generating' && told.msg !== 'process_completed') return null;
  if (!told.success) return { error: told.output?.error || 'Something went wrong on the server.' };
  const [answer] = told.output.data ?? [];
  return answer ? { ...answer, complete: told.msg === 'process_completed' } : null;
}

/** A place in the queue in words. */
function place({ rank, rank_eta: seconds }) {
  const before = rank ? `${rank} before you` : 'you are next';
  return `Waiting: ${before}${seconds > 1 ? `, about ${Math.round(seconds)} s` : ''}`;
}

/**
 * For a pointer or a slider that asks: one question is in flight, and of those that wait the latest wins.
 * @param {(question: any) => Promise<any>} ask @param {(answer: any, question: any) => void} show
 */
export function latestOnly(ask, show) {
  let wanted = null;
  let busy = false;
  return async (question) => {
    wanted = { question };
    if (busy) return;
    busy = true;
    while (wanted) {
      const asked = wanted.question;
      wanted = null;
      show(await ask(asked), asked);
    }
    busy = false;
  };
}
