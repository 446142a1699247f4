// A section that answers twice: quickly, at every touch, and by a work of many steps that speaks the same state.
import { same } from './address.js';
import { Section } from './section.js';

export class Twice extends Section {
  /** The section's key whose work it is. */ work = '';

  /** Another question: what is computed now is no longer wanted. */
  ask() {
    this.stop();
    this.progress.textContent = '';
    return super.ask();
  }

  /** A quick answer, even one to an earlier question, gives way to the work's while it runs and once its last one is on show. */
  receive(answer, state) {
    const late = this.running || (this.answer?.complete && same(this.good, this.question()));
    if (!late || state === this.worked) super.receive(answer, state);
  }

  stop() {
    this.running?.abort();
    this.running = null;
    this.halt.disabled = true;
  }

  /** Asks for all steps. */
  async carryOut() {
    this.running?.abort();
    const mine = (this.running = new AbortController());
    const state = (this.worked = this.question());
    this.far = '';
    this.halt.disabled = false;
    this.progress.textContent = 'Starting …';
    for (const view of this.views) view.begin?.(state);
    const waits = (said) => (this.running === mine ? (this.progress.textContent = said) : null);
    for await (const answer of this.page.backend.follow(this.work, state, mine.signal, this.spec.lane, waits)) {
      if (this.running !== mine) return;
      this.receive(answer, state);
      this.far = answer.progress;
      this.progress.textContent = answer.error ? '' : answer.progress;
    }
    if (this.running !== mine) return;
    this.running = null;
    this.halt.disabled = true;
  }
}
