// Pictures that fill in row by row, and beside them how unsure the model was. An answer brings the rows that are new:
// {row, samples: [N, C, rows, W], bits: tenths of a bit per pixel}; the first one may say what was given: {start, hidden}.
// Rows are shown as they come or, at a lower speed, later.
import { bytesOf } from './bytes.js';
import { make } from './controls.js';
import { columnsFor, fit, imageOf, stacked } from './picture.js';
import { heat } from './piece.js';
import { download } from './png.js';
import { Work } from './section.js';
import { takesOver } from './takes.js';

const GAP = 2; // pixels between two pictures
const UNKNOWN = 255; // bits of what was given, or is still to come
const PAUSES = [1000, 600, 350, 200, 120, 70, 40, 20, 0]; // milliseconds between rows, by speed
const REPLAY = 40;
const DRAWING = 250; // milliseconds without a stroke after which a drawing is taken as made

class Writer extends Work {
  rows = []; // {pixels, bits} of all pictures, as far as they have come
  shown = 0;

  // -- layout ------------------------------------------------------------------------------------------------------------

  layOutControls() {
    super.layOutControls();
    const dice = make('button', {
      type: 'button',
      class: 'gm-dice',
      data: { key: 'seed' },
      title: 'Others: another seed',
      'aria-label': 'Write others, with another seed',
      onclick: () => this.others(),
    });
    this.run.after(dice);
  }

  others() {
    const seed = Math.floor(Math.random() * 1e6);
    this.page.seedControl.set(seed);
    this.page.reseed(seed);
  }

  layOutViews() {
    this.views = [];
    const { key } = this.spec;
    this.pictures = make('canvas', { class: 'gm-sheet', role: 'img', 'aria-label': 'What it writes' });
    this.unsure = make('canvas', {
      class: 'gm-sheet',
      role: 'img',
      'aria-label': 'How unsure it was before each pixel',
    });
    this.most = make('span');
    this.again = make('button', {
      type: 'button',
      class: 'gm-button',
      textContent: 'Replay',
      disabled: true,
      onclick: () => this.replay(),
    });
    this.speed = make('input', {
      type: 'range',
      min: 0,
      max: PAUSES.length - 1,
      step: 1,
      value: PAUSES.length - 1,
      id: `speed-${key}`,
      oninput: () => this.hurry(),
    });
    const save = make('button', {
      type: 'button',
      class: 'gm-icon gm-save',
      title: 'Download as PNG',
      'aria-label': 'Download: what it wrote',
      onclick: () => this.save(),
    });
    const title = (...inside) => make('div', { class: 'gm-view-title' }, ...inside);
    const scale = make('div', { class: 'gm-heat' }, make('span', { textContent: '0' }), make('i', { class: 'gm-heat-bar' }), this.most);
    this.verdict = document.createElement('gm-words');
    this.twins = make(
      'div',
      { class: 'gm-twins' },
      make('div', {}, title(make('span', { textContent: 'What it writes' }), save), this.pictures),
      make('div', {}, title(make('span', { textContent: 'How unsure it was' })), this.unsure, scale),
    );
    this.main.append(
      this.twins,
      make('div', { class: 'gm-speed' }, make('label', { htmlFor: this.speed.id, textContent: 'Speed' }), this.speed, this.again),
      this.verdict,
    );
    if (this.page.usesPicture) this.takes = takesOver(this.pictures, 'What it wrote');
    this.hurry();
    this.clear(this.question());
  }

  // -- the course of the work ----------------------------------------------------------------------------------------------

  async ask() {
    clearTimeout(this.soon);
    this.pause();
    Object.assign(this, { fresh: true, stopped: false, replaying: false });
    this.again.disabled = true;
    await super.ask();
    this.say();
  }

  pageChanged(what) {
    if (what !== 'picture' || !this.awake || !this.uses('picture')) return super.pageChanged(what);
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.ask(), DRAWING);
  }

  receive(answer, state) {
    super.receive(answer, state);
    if (answer.error || answer.row === undefined) return;
    if (this.fresh) this.clear(state, answer);
    this.fresh = false;
    const [n, c, h, w] = answer.samples.shape;
    const pixels = bytesOf(answer.samples.pixels);
    const bits = bytesOf(answer.bits);
    for (let y = Math.max(0, this.rows.length - answer.row); y < h; y++) {
      const part = (all, deep) => Array.from({ length: n }, (_, i) => all.subarray((i * h + y) * w * deep, (i * h + y + 1) * w * deep));
      this.rows.push({ pixels: part(pixels, c), bits: part(bits, 1) });
    }
    if (answer.done) this.made = answer;
    if (!this.timer && !this.stopped) this.advance();
  }

  stop() {
    super.stop();
    this.pause();
    this.stopped = true;
    this.replaying = false;
    this.rows.length = this.made ? this.rows.length : Math.min(this.rows.length, this.shown);
    this.show();
  }

  replay() {
    this.blank();
    this.last = performance.now();
    Object.assign(this, { stopped: false, replaying: true });
    this.advance();
  }

  /** Shows the rows that are due, and comes back for the next one. */
  advance() {
    this.pause();
    if (!this.isConnected) return;
    const rest = PAUSES[Number(this.speed.value)] || (this.replaying ? REPLAY : 0);
    const now = performance.now();
    if (!rest) this.paint(this.rows.length);
    else if (this.shown < this.rows.length && now - (this.last ?? 0) >= rest - 2) {
      this.paint(this.shown + 1);
      this.last = now;
    }
    if (this.shown < this.rows.length) this.timer = setTimeout(() => this.advance(), Math.max(0, rest - (performance.now() - this.last)));
    else if (this.shown === this.shape[1]) this.replaying = false;
    this.show();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  hurry() {
    const rest = PAUSES[Number(this.speed.value)];
    this.speed.setAttribute('aria-valuetext', rest ? `${(1000 / rest).toFixed(1)} rows a second` : 'as fast as it writes');
    if (this.timer) this.advance();
  }

  disconnectedCallback() {
    this.pause();
    this.running?.abort();
  }

  // -- drawing -------------------------------------------------------------------------------------------------------------

  /** Empty screens for what a state asks for; `start` and `hidden`: what was given. */
  clear(state, { start, hidden } = {}) {
    this.count = state.n ?? this.fit('n').default;
    this.shape = this.page.facts[this.model].shape;
    this.columns = columnsFor(this.count);
    stacked(this.twins, this.columns);
    this.given = start ? { image: imageOf(bytesOf(start.pixels), this.shape), hidden: bytesOf(hidden) } : null;
    this.rows = [];
    this.made = null;
    const [, h, w] = this.shape;
    const most = this.shape[0] === 3 ? 6 : 8; // most colours of a hero are certain
    this.colours = Array.from({ length: UNKNOWN }, (_, tenths) => heat(tenths / 10, most));
    this.most.textContent = `${most} bits${this.shape[0] === 3 ? ' or more' : ''}`;
    for (const canvas of [this.pictures, this.unsure])
      fit(canvas, this.columns * (w + GAP) - GAP, Math.ceil(this.count / this.columns) * (h + GAP) - GAP);
    this.blank();
  }

  blank() {
    const { width, height } = this.pictures;
    this.shown = 0;
    this.image = new ImageData(width, height);
    this.warmth = new ImageData(width, height);
    if (this.given) this.lay();
    this.verdict.show?.('');
    this.show();
  }

  corner(i) {
    return [(i % this.columns) * (this.shape[2] + GAP), Math.floor(i / this.columns) * (this.shape[1] + GAP)];
  }

  /** What was given, in each of the pictures. */
  lay() {
    const { image, hidden } = this.given;
    for (let i = 0; i < this.count; i++) {
      const [left, top] = this.corner(i);
      for (let p = 0; p < hidden.length; p++) {
        const to = ((top + Math.floor(p / image.width)) * this.image.width + left + (p % image.width)) * 4;
        if (!hidden[p]) this.image.data.set(image.data.subarray(p * 4, p * 4 + 4), to);
      }
    }
  }

  /** Paints the rows up to `end`. */
  paint(end) {
    const [c, , w] = this.shape;
    for (let y = this.shown; y < end; y++) {
      for (let i = 0; i < this.count; i++) {
        const [left, top] = this.corner(i);
        const pixels = this.rows[y].pixels[i];
        const bits = this.rows[y].bits[i];
        for (let x = 0; x < w; x++) {
          const to = ((top + y) * this.image.width + left + x) * 4;
          for (let k = 0; k < 3; k++) this.image.data[to + k] = pixels[x * c + (c === 3 ? k : 0)];
          this.image.data[to + 3] = 255;
          if (bits[x] === UNKNOWN) continue;
          this.warmth.data.set(this.colours[bits[x]], to);
          this.warmth.data[to + 3] = 255;
        }
      }
    }
    this.shown = end;
  }

  show() {
    const pen = this.pictures.getContext('2d');
    pen.putImageData(this.image, 0, 0);
    this.unsure.getContext('2d').putImageData(this.warmth, 0, 0);
    if (this.going() && this.shown && this.shown < this.shape[1]) {
      pen.fillStyle = getComputedStyle(this).getPropertyValue('--gm-accent'); // where it writes now
      for (let i = 0; i < this.count; i++) pen.fillRect(this.corner(i)[0], this.corner(i)[1] + this.shown, this.shape[2], 1);
    }
    this.say();
  }

  going() {
    return !this.stopped && (Boolean(this.running) || this.shown < this.rows.length);
  }

  say() {
    const all = this.shape[1];
    const done = this.shown === all;
    this.halt.disabled = !this.going();
    this.again.disabled = this.going() || !this.rows.length;
    if (this.made && done) this.takes?.sheet(this.made.samples, { columns: this.columns, gap: GAP });
    else this.takes?.clear();
    if (!this.fresh && this.shown)
      this.progress.textContent =
        !this.going() && !done ? `Stopped after row ${this.shown} of ${all}` : done ? 'Done' : `Row ${this.shown} of ${all}`;
    if (done && this.made) this.verdict.show(this.made.words);
  }

  save() {
    if (!this.shown) return;
    const info = this.page.signature(this);
    download(
      this.pictures,
      Math.max(2, Math.min(8, Math.floor(1000 / this.pictures.width))),
      { ...info, Rows: this.shown },
      `${info.model}_${info.seed ?? 0}.png`,
    );
  }
}

customElements.define('gm-writer', Writer);
