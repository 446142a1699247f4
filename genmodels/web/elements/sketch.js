// A sheet to draw on, and pictures that follow it: a few quick steps while the pen moves, all steps once it rests.
import { chosen, make } from './controls.js';
import './pad.js';
import { Twice } from './twice.js';
import { upload } from './upload.js';

const REST = 500; // milliseconds without a stroke, after which all steps are taken
const PHONE = matchMedia('(max-width: 900px)');

class Sketch extends Twice {
  work = 'diffusion.draw';

  layOutControls() {
    super.layOutControls();
    this.hideUnused();
    this.sheet = document.createElement('gm-pad');
    Object.assign(this.sheet.props, { tools: ['pen', 'erase'], label: 'Your sketch', background: 255, strips: [] });
    this.sheet.addEventListener('gm-input', () => {
      this.unread.textContent = '';
      this.change('sketch', this.named(this.sheet.props.value.pixels));
    });
    const file = make('input', { type: 'file', accept: 'image/*', onchange: ({ target }) => chosen(target, (one) => this.uploaded(one)) });
    const upload = make('label', { class: 'gm-button gm-upload' }, 'Upload a drawing or a photo', file);
    this.unread = make('p', { class: 'gm-trouble', role: 'alert' });
    this.side.prepend(this.sheet, upload, this.unread);
    this.layOutRun(() => this.carryOut());
    this.controls.sketch = {
      element: this.sheet,
      fit: () => {},
      refuse: (words) => (this.trouble.textContent = words),
      set: (value) => this.put(value),
    };
  }

  layOutViews() {
    for (const view of this.spec.views) if (view.element === 'gm-grid') view.columns = PHONE.matches ? 4 : 2;
    super.layOutViews();
  }

  adapt() {
    const other = this.sketched !== this.model;
    if (other) this.offered = null;
    super.adapt();
    this.hideUnused();
    if (this.awake && other) this.examples();
  }

  /** Controls that mean nothing to this model. */
  hideUnused() {
    for (const [key, one] of Object.entries(this.controls)) if ('unused' in this.fit(key)) one.element.hidden = this.fit(key).unused;
  }

  restore(state) {
    super.restore(state);
    this.hideUnused();
  }

  // -- the sheet -------------------------------------------------------------------------------------------------------

  wake() {
    this.examples();
    return super.wake();
  }

  /** Sketches of test pictures, the first of which is on the sheet. */
  async examples() {
    const model = (this.sketched = this.model);
    const answer = await this.page.backend.ask('page.sketches', { model });
    if (answer.error || this.sketched !== model) return;
    this.offered = answer.pictures;
    this.sheet.props.strips = [{ label: 'Sketches to start from', pictures: answer.pictures }];
    this.put(this.state.sketch ?? this.fit('sketch').default);
  }

  /** Shows a value of the state, "#3" or base64, on the sheet. */
  put(value) {
    const pixels = value?.startsWith('#') ? this.offered?.[Number(value.slice(1))]?.pixels : value;
    const [, height, width] = this.page.facts[this.model].shape;
    if (pixels) this.sheet.props.value = { pixels, mask: '', shape: [1, height, width] };
  }

  named(pixels) {
    const place = (this.offered ?? []).findIndex((one) => one.pixels === pixels);
    return place < 0 ? pixels : `#${place}`;
  }

  async uploaded(file) {
    this.unread.textContent = '';
    const answer = await upload(this.page.backend, 'page.sketch', this.model, file);
    if (answer.error) return (this.unread.textContent = answer.error); // no answer to a sketch wipes it away
    this.put(answer.pixels);
    this.change('sketch', answer.pixels);
  }

  // -- asking ----------------------------------------------------------------------------------------------------------

  /** Another stroke; all steps follow once the pen rests. */
  ask() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.drawWhenSeen(), REST);
    return super.ask();
  }

  refuse(refusal, state) {
    clearTimeout(this.resting);
    super.refuse(refusal, state);
  }

  drawWhenSeen() {
    const { top, bottom, height } = this.getBoundingClientRect();
    if (height && bottom > 0 && top < innerHeight) this.carryOut();
    else this.page.whenSeen(this, () => this.carryOut());
  }

  carryOut() {
    clearTimeout(this.resting);
    return super.carryOut();
  }
}

customElements.define('gm-sketch', Sketch);
