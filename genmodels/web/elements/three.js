// The same picture by several networks, side by side; over it, when a pixel is pointed at, what each of them looked at.
import { latestOnly } from './backend.js';
import { bytesOf } from './bytes.js';
import { make } from './controls.js';
import { fit } from './picture.js';
import { Steps } from './steps.js';
import { familyName } from './table.js';
import { coded } from './views.js';

const ZOOM = 8;
const GREY = 128; // what is not written yet
const FIELD = 'pixelcnn.field';

class Three extends Steps {
  layOutViews() {
    this.views = [];
    this.box = make('div', { class: 'gm-ways' });
    this.note = make('p', { class: 'gm-note', textContent: 'Point at a pixel, tap one, or move with the arrow keys.' });
    this.main.append(this.box, this.note);
    this.ways = [];
  }

  receive(answer, state) {
    super.receive(answer, state);
    if (answer.error) return;
    if (answer.ways && !answer.done) this.lay(answer.ways, state);
    const way = this.ways[answer.way];
    if (!way) return;
    way.picture = answer.picture;
    way.bytes = bytesOf(answer.picture.pixels);
    way.rows = answer.row;
    way.time.textContent = `${Math.round(answer.ms)} ms`;
    this.draw(way);
    if (this.at) this.look(way);
  }

  // -- layout ------------------------------------------------------------------------------------------------------------

  lay(ways, state) {
    this.asked = state;
    this.ways = ways.map((way) => this.way(way));
    this.box.replaceChildren(...this.ways.map(({ element }) => element));
  }

  way({ family, title, model, why, bits_text: bits }) {
    const { page } = this.page;
    const head = make('div', { class: 'gm-lane-head' }, why ? title : familyName(page, family));
    if (why) return { element: make('article', { class: 'gm-way' }, head, make('p', { class: 'gm-note' }, ...coded(why))) };
    const [, h, w] = page.spec.facts[model].shape;
    const canvas = make('canvas', {
      class: 'gm-plane',
      tabIndex: 0,
      role: 'application',
      'aria-label': `What ${model} wrote: move the pointer, tap or use the arrow keys to choose a pixel`,
    });
    fit(canvas, w * ZOOM, h * ZOOM);
    const words = document.createElement('gm-words');
    const time = make('span', { textContent: '…' });
    const facts = make('p', { class: 'gm-way-facts' }, make('span', { textContent: bits }), time);
    const element = make('article', { class: 'gm-way', style: `--gm-accent: var(--gm-${family})` }, head, canvas, facts, words);
    const { dark } = page.spec.families[family].accent; // pictures are dark in either theme
    const lit = [1, 3, 5].map((i) => Number.parseInt(dark.slice(i, i + 2), 16));
    const way = { element, canvas, words, time, model, lit, h, w };
    way.asks = latestOnly(
      (question) => this.page.backend.ask(FIELD, question),
      (answer, question) => this.looked(way, answer, question),
    );
    this.listen(canvas, way);
    return way;
  }

  listen(canvas, way) {
    const follow = (event) => {
      const box = canvas.getBoundingClientRect();
      this.go(((event.clientX - box.left) / box.width) * way.w, ((event.clientY - box.top) / box.height) * way.h, way);
    };
    canvas.addEventListener('pointermove', (event) => event.pointerType === 'mouse' && follow(event));
    canvas.addEventListener('click', follow);
    canvas.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && document.activeElement !== canvas && this.leave());
    canvas.addEventListener(
      'focus',
      () => canvas.matches(':focus-visible') && this.go(this.at?.x ?? way.w / 2, this.at?.y ?? way.h / 2, way),
    );
    canvas.addEventListener('blur', () => this.leave());
    canvas.addEventListener('keydown', (event) => {
      const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      this.go((this.at?.x ?? way.w / 2) + step[0], (this.at?.y ?? way.h / 2) + step[1], way);
    });
  }

  // -- what a pixel was expected from ----------------------------------------------------------------------------------------

  go(x, y, { h, w }) {
    const hold = (v, end) => Math.max(0, Math.min(end - 1, Math.floor(v)));
    const at = { x: hold(x, w), y: hold(y, h) };
    if (this.at && at.x === this.at.x && at.y === this.at.y) return;
    this.at = at;
    for (const way of this.ways) {
      this.draw(way);
      this.look(way);
    }
  }

  leave() {
    this.at = null;
    for (const way of this.ways) {
      this.forget(way, '');
      this.draw(way);
    }
  }

  forget(way, words) {
    way.field = null;
    way.words?.show(words);
  }

  stop() {
    super.stop();
    for (const { time } of this.ways) if (time?.textContent === '…') time.textContent = '';
  }

  look(way) {
    if (!way.picture) return;
    if (this.at.y >= way.rows) return this.forget(way, 'This pixel is not written yet.');
    const { label } = this.asked;
    way.asks({ model: way.model, picture: way.picture.pixels, ...this.at, ...(label === undefined ? {} : { label }) });
  }

  looked(way, answer, { x, y, picture }) {
    if (answer.error) return (this.trouble.textContent = answer.error);
    if (!this.at || x !== this.at.x || y !== this.at.y || picture !== way.picture.pixels) return;
    way.field = { ...this.at, bytes: bytesOf(answer.field) };
    way.words.show(answer.words);
    this.draw(way);
    this.dataset.pixel = `${x},${y}`;
  }

  /** The picture; with a pixel pointed at, dimmed, and in the accent's colour what bore on it. */
  draw({ canvas, picture, bytes, field, lit, h, w }) {
    if (!picture) return;
    const c = picture.shape[1];
    const image = new ImageData(w, h);
    const known = (i) => !this.at || i < this.at.y * w + this.at.x;
    for (let i = 0; i < w * h; i++) {
      const strength = this.at && field ? field.bytes[i] / 255 : 0;
      for (let k = 0; k < 3; k++) {
        const v = bytes[i * c + (c === 3 ? k : 0)];
        const base = !this.at ? v : known(i) ? 0.35 * v + 0.1 * GREY : 0.12 * v + 0.88 * GREY;
        image.data[i * 4 + k] = base + (strength > 0 ? 0.08 + 0.87 * strength : 0) * (lit[k] - base);
      }
      image.data[i * 4 + 3] = 255;
    }
    const small = make('canvas', { width: w, height: h });
    small.getContext('2d').putImageData(image, 0, 0);
    const pen = canvas.getContext('2d');
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    if (!this.at) return;
    pen.lineWidth = 2;
    pen.strokeStyle = '#ffffff';
    pen.strokeRect(this.at.x * ZOOM, this.at.y * ZOOM, ZOOM, ZOOM);
  }
}

customElements.define('gm-three', Three);
