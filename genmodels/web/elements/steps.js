// Sections whose answers come step by step. What changes elsewhere on the page makes them work again only where they are
// seen, and a drawing only once it rests: each of their answers takes a second of computing.
import { valuesOf } from './address.js';
import { make } from './controls.js';
import { Work } from './section.js';

const REST = 400; // milliseconds that a drawing rests
const MARGIN = 240; // pixels around the screen that count as seen

export class Steps extends Work {
  layOutControls() {
    super.layOutControls();
    this.hideUnused();
  }

  adapt() {
    super.adapt();
    this.hideUnused();
  }

  restore(state) {
    super.restore(state);
    this.hideUnused();
  }

  /** Controls that mean nothing to this model. */
  hideUnused() {
    for (const [key, one] of Object.entries(this.controls)) if ('unused' in this.fit(key)) one.element.hidden = this.fit(key).unused;
  }

  pageChanged(what) {
    const before = this.model;
    if (what === 'data') {
      this.model = this.modelFor(this.page.data);
      this.variants();
      if (this.model === before) return;
      this.adapt();
    } else if (!this.uses(what)) return;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.again(), what === 'picture' ? REST : 0);
  }

  again() {
    if (!this.awake) return;
    this.stop();
    if (this.near()) this.ask();
    else this.page.whenSeen(this, () => this.wake());
  }

  near() {
    const { top, bottom, height } = this.getBoundingClientRect();
    return height > 0 && bottom > -MARGIN && top < innerHeight + MARGIN;
  }
}

/** A section that works only when its button is pressed. */
export class Asked extends Steps {
  async wake() {}

  change(key, value) {
    this.state[key] = value;
  }
}

/** A sentence of parts, or one of the visitor's own: the one that was drawn stands in the field. */
class Sentence extends Steps {
  layOutControls() {
    super.layOutControls();
    this.parts = Object.keys(this.controls).filter((key) => this.spec.fields[key].part);
    const dice = make('button', {
      type: 'button',
      class: 'gm-button',
      textContent: 'Another one',
      data: { key: 'prompt' },
      onclick: () => this.surprise(),
    });
    const box = make('div', { class: 'gm-parts' }, ...this.parts.map((key) => this.controls[key].element));
    this.controls.prompt.element.after(box, dice);
  }

  /** What it makes of the words stands right below them. */
  layOutViews() {
    super.layOutViews();
    this.controls.prompt.element.after(this.views.find((view) => view.options.key === 'words'));
  }

  change(key, value, final = true) {
    if (this.parts.includes(key)) delete this.state.prompt;
    super.change(key, value, final);
  }

  surprise() {
    for (const key of this.parts) {
      const values = valuesOf(this.fit(key).choices);
      this.state[key] = values[Math.floor(Math.random() * values.length)];
      this.controls[key].set(this.state[key]);
    }
    delete this.state.prompt;
    this.ask();
  }

  refuse(refusal, state) {
    super.refuse(refusal, state);
    if (refusal.field === 'prompt') this.controls.prompt.set(this.state.prompt || (this.drawn ?? ''));
  }

  receive(answer, state) {
    super.receive(answer, state);
    this.drawn = answer.prompt ?? this.drawn;
    const { element, set } = this.controls.prompt;
    if (answer.prompt && !state.prompt && !element.contains(document.activeElement)) set(answer.prompt);
  }
}

customElements.define('gm-steps', Steps);
customElements.define('gm-asked', Asked);
customElements.define('gm-words-section', Sentence);
