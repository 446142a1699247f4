// Pictures on their way from noise, and beside them the clean ones that the network sees in them. Its answers are
// {frame, at, total}: a frame and its place, each the next step, and in the end {total, done}; {frames, total} are all of
// them at once, and with `preview` it is one look alone. A frame is {step, sigma, ms, noisy, clean}; clean is null until
// the network has answered. The newest frame is on show, unless the scrubber is held at another.
import { make } from './controls.js';
import { columnsFor, drawSheet, fit, stacked } from './picture.js';
import { download } from './png.js';
import { takesOver } from './takes.js';
import { View } from './views.js';

const MILLISECONDS = 180; // a frame, when it is played
const COUNT = 16; // pictures, where nobody says

class Denoiser extends View {
  frames = [];
  total = 0;
  follows = true;
  finished = false;

  layOut() {
    this.head.remove(); // each screen has a title of its own
    const { title } = this.options;
    this.noisy = this.screen('Noisy picture xₜ');
    this.clean = this.screen(title);
    this.range = make('input', {
      type: 'range',
      min: 0,
      max: 0,
      step: 1,
      value: 0,
      disabled: true,
      'aria-label': 'Step',
    });
    this.button = make('button', {
      type: 'button',
      class: 'gm-play',
      disabled: true,
      textContent: 'Play',
      onclick: () => (this.timer ? this.pause() : this.play()),
    });
    this.saves = make('button', {
      type: 'button',
      class: 'gm-icon gm-save',
      disabled: true,
      title: 'Download as PNG',
      'aria-label': `Download: ${title}`,
      onclick: () => this.save(),
    });
    this.caption = make('div', { class: 'gm-note' });
    this.range.addEventListener('input', () => {
      this.pause();
      this.go(Number(this.range.value));
    });
    const [left, right] = [this.noisy, this.clean].map((canvas) =>
      make('figure', {}, make('figcaption', { class: 'gm-view-title', textContent: canvas.getAttribute('aria-label') }), canvas),
    );
    right.firstChild.append(this.saves);
    this.screens = make('div', { class: 'gm-screens' }, left, right);
    stacked(this.screens, columnsFor(this.options.count ?? COUNT));
    this.append(this.screens, make('div', { class: 'gm-scrub' }, this.button, this.range), this.caption);
    if (this.options.take) this.takes = takesOver(this.clean, title);
  }

  screen(title) {
    const { count = COUNT, shape = [1, 28, 28] } = this.options;
    const canvas = make('canvas', { class: 'gm-sheet', role: 'img', 'aria-label': title });
    const wide = columnsFor(count);
    fit(canvas, wide * (shape[2] + 2) - 2, Math.ceil(count / wide) * (shape[1] + 2) - 2);
    return canvas;
  }

  /** Another run is asked for: what it brings is followed. */
  begin() {
    this.pause();
    this.follows = true;
    this.finished = false;
  }

  show(value) {
    if (!value) return;
    if (value.preview) this.begin();
    if (value.frames) this.frames = value.frames;
    if (value.frame) this.frames.splice(value.at, Infinity, value.frame);
    this.total = value.total;
    this.finished = Boolean(value.frames || value.done);
    this.preview = Boolean(value.preview);
    const last = this.frames.length - 1;
    this.range.max = last;
    this.range.disabled = this.button.disabled = last < 1;
    this.classList.add('gm-filled');
    if (!this.timer) this.draw(this.follows ? last : Math.min(last, Number(this.range.value)));
  }

  go(i) {
    this.follows = i === this.frames.length - 1;
    this.draw(i);
  }

  draw(i) {
    const frame = this.frames[i];
    const sheet = drawSheet(this.noisy, frame.noisy);
    stacked(this.screens, sheet.columns);
    if (frame.clean) {
      drawSheet(this.clean, frame.clean);
      this.takes?.sheet(frame.clean, sheet);
    } else {
      clear(this.clean, this.noisy);
      this.takes?.clear();
    }
    this.clean.classList.toggle('gm-unknown', !frame.clean);
    this.saves.disabled = !frame.clean;
    this.range.value = i;
    this.caption.textContent = this.say(frame, i);
    this.range.setAttribute('aria-valuetext', this.caption.textContent);
  }

  say(frame, i) {
    const { sigma, step, ms } = frame;
    const level = sigma ? `xₜ = ${Math.sqrt(1 - sigma ** 2).toFixed(2)} · picture + ${sigma.toFixed(2)} · noise` : 'no noise is left';
    if (this.preview) return `${level}, seen at one look`;
    const where = `Step ${step}${this.total ? ` of ${this.total}` : ''}: ${level}`;
    return ms !== undefined && this.finished && i === this.frames.length - 1 ? `${where} (${Math.round(ms)} ms of computing)` : where;
  }

  play() {
    const last = () => this.frames.length - 1;
    if (Number(this.range.value) >= last()) this.draw(0);
    this.button.textContent = 'Pause';
    this.timer = setInterval(() => {
      if (Number(this.range.value) >= last()) return this.pause();
      this.go(Number(this.range.value) + 1);
    }, MILLISECONDS);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = 'Play';
  }

  disconnectedCallback() {
    this.pause();
  }

  save() {
    const frame = this.frames[Number(this.range.value)];
    const info = this.info();
    download(
      this.clean,
      Math.max(2, Math.min(8, Math.floor(1000 / this.clean.width))),
      { ...info, Step: frame.step },
      `${info.model}_${info.seed ?? ''}.png`.replace('_.', '.'),
    );
  }
}

function clear(canvas, { width, height }) {
  fit(canvas, width, height);
  canvas.getContext('2d').clearRect(0, 0, width, height);
}

customElements.define('gm-denoiser', Denoiser);
