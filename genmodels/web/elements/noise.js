// A picture drowned in noise at a touch, and on a button denoised from there, in the same place.
import { make } from './controls.js';
import { Section } from './section.js';

const FROM_HERE = 'diffusion.denoise'; // speaks the same state

class Noise extends Section {
  layOutControls() {
    super.layOutControls();
    this.classList.remove('gm-bare');
    this.run = make('button', {
      type: 'button',
      class: 'gm-button gm-primary',
      textContent: this.spec.verb,
      onclick: () => this.denoise(),
    });
    this.halt = make('button', {
      type: 'button',
      class: 'gm-button',
      textContent: 'Stop',
      disabled: true,
      onclick: () => this.stop(),
    });
    this.progress = make('p', { class: 'gm-note', role: 'status' });
    this.side.append(make('div', { class: 'gm-pair' }, this.run, this.halt), this.progress);
  }

  /** Another picture, another t: what is denoised now is no longer wanted. */
  ask() {
    this.stop();
    this.progress.textContent = '';
    return super.ask();
  }

  receive(answer, state) {
    if (!this.running || state === this.denoised) super.receive(answer, state);
  }

  stop() {
    if (this.running) this.progress.textContent = `Stopped. ${this.progress.textContent}`;
    this.running?.abort();
    this.running = null;
    this.halt.disabled = true;
  }

  async denoise() {
    this.running?.abort();
    const mine = (this.running = new AbortController());
    const state = (this.denoised = this.question());
    this.halt.disabled = false;
    this.progress.textContent = 'Starting …';
    for (const view of this.views) view.begin?.(state);
    const waits = (said) => (this.running === mine ? (this.progress.textContent = said) : null);
    for await (const answer of this.page.backend.follow(FROM_HERE, state, mine.signal, this.spec.lane, waits)) {
      if (this.running !== mine) return;
      this.receive(answer, state);
      this.progress.textContent = answer.error ? '' : answer.progress;
    }
    if (this.running !== mine) return;
    this.running = null;
    this.halt.disabled = true;
  }
}

customElements.define('gm-noise', Noise);
