// Films side by side under one scrubber: [{title, sheet: base64 of a WebP with all frames, columns, frame_size: [width,
// height], num_classes, frames: [{step, classes}]}]. All show the same step; a film that ends earlier stays at its end.

import { bytesOf } from './bytes.js';
import { make } from './controls.js';
import { svg } from './diagram.js';
import { fit } from './picture.js';

const MILLISECONDS = 150;
const WIDE = 100; // of the chart's own units
const HIGH = 28;

const indexAt = (film, step) =>
  Math.max(
    0,
    film.frames.findLastIndex((frame) => frame.step <= step),
  );

/** One film's screen, its count of classes, and how the count went. */
class Screen {
  constructor() {
    this.title = make('figcaption', { textContent: '\u00a0' });
    this.canvas = make('canvas', { class: 'gm-films-canvas', width: 238, height: 238, role: 'img', 'aria-label': 'A film of a training' });
    this.count = make('div', { class: 'gm-films-count', textContent: '\u00a0' });
    this.line = svg('polyline', {});
    this.mark = svg('line', { y1: 0, y2: HIGH });
    const box = { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' };
    const chart = svg('svg', box, this.line, this.mark);
    this.figure = make('figure', { class: 'gm-films-screen' }, this.title, this.canvas, this.count, chart);
  }

  async open(film, steps) {
    this.film = film;
    this.steps = steps;
    this.title.textContent = film.title;
    this.canvas.setAttribute('aria-label', `${film.title}: 64 pictures at a step of the training`);
    this.line.setAttribute('points', steps.map((step, i) => this.place(i, film.frames[indexAt(film, step)])).join(' '));
    fit(this.canvas, ...film.frame_size);
    this.sheet = await createImageBitmap(new Blob([bytesOf(film.sheet)], { type: 'image/webp' }));
  }

  place(i, frame) {
    const x = (WIDE * i) / Math.max(1, this.steps.length - 1);
    return `${x.toFixed(2)},${(HIGH - 2 - ((HIGH - 6) * frame.classes) / this.film.num_classes).toFixed(2)}`;
  }

  draw(at) {
    if (!this.sheet) return;
    const { film } = this;
    const i = indexAt(film, this.steps[at]);
    const [w, h] = film.frame_size;
    this.canvas.getContext('2d').drawImage(this.sheet, (i % film.columns) * w, Math.floor(i / film.columns) * h, w, h, 0, 0, w, h);
    const { step, classes } = film.frames[i];
    const ended = step < this.steps[at] && i === film.frames.length - 1;
    this.count.replaceChildren(
      'Classes covered: ',
      make('b', { textContent: `${classes} of ${film.num_classes}` }),
      ` · step ${step.toLocaleString('en')}${ended ? ' (the end)' : ''}`,
    );
    const x = (WIDE * at) / Math.max(1, this.steps.length - 1);
    this.mark.setAttribute('x1', x);
    this.mark.setAttribute('x2', x);
  }

  get words() {
    return `${this.title.textContent}: ${this.count.textContent}`;
  }
}

class Films extends HTMLElement {
  options = {};
  steps = [];

  connectedCallback() {
    if (this.laidOut) return;
    this.laidOut = true;
    this.classList.add('gm-view');
    this.screens = Array.from({ length: this.options.screens || 1 }, () => new Screen());
    this.button = make('button', {
      type: 'button',
      class: 'gm-play',
      onclick: () => (this.timer ? this.pause() : this.play()),
    });
    this.range = make('input', { type: 'range', min: 0, max: 0, value: 0, step: 1, 'aria-label': this.options.title });
    this.range.addEventListener('input', () => {
      this.pause();
      this.draw();
    });
    this.append(
      make('div', { class: 'gm-films' }, ...this.screens.map((screen) => screen.figure)),
      make('div', { class: 'gm-scrub gm-films-bar' }, this.button, this.range),
    );
    this.pause();
  }

  disconnectedCallback() {
    this.pause();
  }

  async show(films) {
    if (!films) return;
    this.pause();
    this.steps = [...new Set(films.flatMap((film) => film.frames.map((frame) => frame.step)))].sort((a, b) => a - b);
    this.range.max = this.steps.length - 1;
    this.range.value = this.range.max;
    this.screens.forEach((screen, i) => (screen.figure.hidden = !films[i]));
    await Promise.all(films.map((film, i) => this.screens[i]?.open(film, this.steps)));
    this.draw();
    this.classList.add('gm-filled');
  }

  draw() {
    const shown = this.screens.filter((screen) => !screen.figure.hidden);
    for (const screen of shown) screen.draw(Number(this.range.value));
    this.range.setAttribute('aria-valuetext', shown.map((screen) => screen.words).join('; '));
  }

  play() {
    if (this.steps.length < 2) return;
    const end = this.steps.length - 1;
    if (Number(this.range.value) >= end) this.range.value = 0;
    this.button.textContent = 'Pause';
    this.timer = setInterval(() => {
      if (Number(this.range.value) >= end) return this.pause();
      this.range.value = Number(this.range.value) + 1;
      this.draw();
    }, MILLISECONDS);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = 'Play';
  }
}

customElements.define('gm-films', Films);
