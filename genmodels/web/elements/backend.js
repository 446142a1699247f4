// Who computes. A backend has ask(section, state) → Promise<answer> for what takes one network pass, and
// follow(section, state, signal) → async iterator of answers for what takes many steps. An answer with `error` is a refusal
// in one sentence, `field` the key of the state that it is about.

/** Gradio's page: direct calls of the component's server function, and the queue for work. */
export class GradioBackend {
  /** @param {{ask: Function}} server of the gr.HTML component. @param {string} root address of the app */
  constructor(server, root) {
    this.server = server;
    this.root = root.replace(/\/$/, '');
  }

  async ask(section, state) {
    const answer = await this.server.ask({ section, state }).catch(() => null); // Gradio answers a failure with nothing
    return answer ?? { error: 'The server did not answer; try again.' };
  }

  async *follow(section, state, signal, lane = 'cpu') {
    const address = `${this.root}/gradio_api/call/work_${lane}`;
    const sent = await fetch(address, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ data: [section, state] }),
    }).catch(() => null);
    if (!sent?.ok) {
      if (signal?.aborted) return;
      yield {
        error: sent?.status === 503 ? 'The server is busy; try again in a moment.' : 'The server did not answer; try again.',
      };
      return;
    }
    const { event_id: id } = await sent.json();
    // what is in the queue by now ends when nobody listens any more, so somebody has to have listened
    const until = signal?.aborted ? AbortSignal.timeout(100) : signal;
    const stream = await fetch(`${address}/${id}`, { signal: until }).catch(() => null);
    if (!stream?.ok) {
      if (!signal?.aborted) yield { error: 'The server did not answer; try again.' };
      return;
    }
    yield* events(stream.body, signal);
  }
}

/** The answers in a stream of server-sent events. */
export async function* events(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      let end;
      while ((end = rest.indexOf('\n\n')) >= 0) {
        const answer = answerOf(rest.slice(0, end));
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

function answerOf(event) {
  const kind = /^event: (.*)$/m.exec(event)?.[1];
  const data = /^data: (.*)$/m.exec(event)?.[1];
  if (kind === 'error') return { error: said(data) };
  if (kind !== 'generating' && kind !== 'complete') return null;
  const [answer] = JSON.parse(data || '[]') ?? [];
  return answer ? { ...answer, complete: kind === 'complete' } : null;
}

function said(data) {
  try {
    const value = JSON.parse(data);
    return typeof value === 'string' ? value : value?.error || 'Something went wrong on the server.';
  } catch {
    return 'Something went wrong on the server.';
  }
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
