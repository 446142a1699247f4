// The second picture of a section that needs two: one of the examples, or what is on the pad now. It stands among the
// section's controls under the field that its options name by `key`; the value is "#3" or the drawing's base64.
import { make } from './controls.js';
import { showPicture } from './picture.js';

class Second extends HTMLElement {
  options = {};

  connectedCallback() {
    if (this.laidOut) return;
    this.laidOut = true;
    this.section = this.closest('.gm-section');
    this.section.classList.remove('gm-bare');
    const { key, title = 'Second picture' } = this.options;
    this.dataset.key = key;
    this.picture = make('canvas', {
      class: 'gm-second-picture',
      width: 28,
      height: 28,
      role: 'img',
      'aria-label': title,
    });
    this.use = make('button', {
      type: 'button',
      class: 'gm-button',
      textContent: 'Use my drawing',
      onclick: () => this.takeDrawing(),
    });
    this.list = make('div', { class: 'gm-strip', role: 'group', 'aria-label': `${title}: examples` });
    this.trouble = make('span', { class: 'gm-trouble', role: 'alert' });
    const now = make('div', { class: 'gm-second-now' }, this.options.preview === false ? null : this.picture, this.use);
    this.append(make('span', { class: 'gm-label', textContent: title }), this.list, now, this.trouble);
    this.wait();
    this.section.controls[key] = this;
    this.value = this.section.state[key] ?? this.section.fit(key).default;
  }

  // -- as a control of the section ---------------------------------------------------------------------------------------

  get element() {
    return this;
  }
  refuse(words) {
    this.trouble.textContent = words || '';
  }
  set(value) {
    this.value = value;
    this.draw();
  }
  /** Another model: its examples come with its first answer. */
  fit() {
    if (this.loaded && this.loaded !== this.section.model) this.wait();
  }
  /** As a view: the section has answered, so it has been seen. */
  show() {
    if (this.loaded !== this.section.model) this.load();
  }

  // -- the examples ------------------------------------------------------------------------------------------------------

  wait() {
    this.loaded = null;
    this.pictures = [];
    this.list.replaceChildren(...Array.from({ length: 10 }, () => make('span', { class: 'gm-thumb' })));
  }

  async load() {
    const model = (this.loaded = this.section.model);
    const answer = await this.section.page.backend.ask('page.examples', { model });
    if (this.loaded !== model) return;
    if (answer.error) return this.refuse(answer.error);
    this.pictures = answer.strips[0].pictures;
    this.list.replaceChildren(
      ...this.pictures.map((picture, i) => {
        const canvas = make('canvas');
        showPicture(canvas, picture);
        return make(
          'button',
          {
            type: 'button',
            class: 'gm-thumb',
            title: picture.label,
            'aria-label': picture.label,
            onclick: () => this.choose(`#${i}`),
          },
          canvas,
        );
      }),
    );
    this.draw();
  }

  choose(value) {
    this.set(value);
    this.section.change(this.options.key, value);
  }

  takeDrawing() {
    const drawn = this.section.page.shared('picture', this.section);
    if (drawn) this.choose(drawn);
    else this.refuse('There is no picture on the pad yet.');
  }

  draw() {
    const example = this.value?.startsWith('#') ? this.pictures[Number(this.value.slice(1))] : null;
    this.pictures.forEach((picture, i) => this.list.children[i].setAttribute('aria-pressed', String(picture === example)));
    const shape = this.section.page.facts[this.section.model].shape;
    if (example) showPicture(this.picture, example);
    else if (this.value && !this.value.startsWith('#')) showPicture(this.picture, { pixels: this.value, shape });
  }
}

customElements.define('gm-second', Second);
