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

  layOutControls() {
    super.layOutControls();
    this.classList.add('gm-idle'); // nothing is on its way
  }

  ask() {
    this.classList.remove('gm-idle');
    return super.ask();
  }

  change(key, value) {
    this.state[key] = value;
  }
}

/** A sentence of parts, or one of the visitor's own: the one that was drawn stands in the field. */
class Sentence extends Steps {
  written = ['prompt']; // what stands in a field as it was made up, until the visitor writes there
  drawn = {};

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
    this.known = this.views.find((view) => view.options.key === 'words');
    this.controls.prompt.element.after(this.known);
  }

  change(key, value, final = true) {
    if (this.parts.includes(key)) delete this.state.prompt;
    super.change(key, value, final);
  }

  /** Other parts; where they may stay as they are, one of them. */
  surprise() {
    const one = any(this.parts);
    for (const key of this.parts) {
      const { keep, choices } = this.fit(key);
      this.state[key] = keep && key !== one ? keep : any(valuesOf(choices).filter((value) => value !== keep));
      this.controls[key].set(this.state[key]);
    }
    delete this.state.prompt;
    this.ask();
  }

  refuse(refusal, state) {
    super.refuse(refusal, state);
    const { field } = refusal;
    if (this.written.includes(field)) this.controls[field].set(this.state[field] || (this.drawn[field] ?? ''));
  }

  receive(answer, state) {
    super.receive(answer, state);
    if (this.known) this.known.style.visibility = answer.error ? 'hidden' : ''; // it is said of other words
    for (const key of this.written) {
      const { element, set } = this.controls[key];
      const typing = element.contains(document.activeElement) && document.activeElement.value !== (this.drawn[key] ?? '');
      this.drawn[key] = answer[key] ?? this.drawn[key];
      if (answer[key] && !state[key] && !typing) set(answer[key]);
    }
  }
}

/** A picture's sentence, as it was read or corrected, and the one that it is drawn again as. */
class Reworded extends Sentence {
  written = ['caption', 'prompt'];

  layOutViews() {
    Steps.prototype.layOutViews.call(this);
  }

  /** Another picture: what was said of the former one is forgotten. */
  forget() {
    for (const key of this.written) delete this.state[key];
  }

  change(key, value, final) {
    if (key === 'start') this.forget();
    super.change(key, value, final);
  }

  pageChanged(what) {
    const of = (this.state.start ?? this.fit('start').default) === 'seed' ? 'seed' : 'picture';
    if (['picture', 'seed'].includes(what) && what !== of) return;
    this.forget();
    super.pageChanged(what);
  }
}

const any = (values) => values[Math.floor(Math.random() * values.length)];

customElements.define('gm-steps', Steps);
customElements.define('gm-asked', Asked);
customElements.define('gm-words-section', Sentence);
customElements.define('gm-reworded', Reworded);
