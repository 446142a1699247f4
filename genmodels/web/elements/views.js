// How the parts of an answer are drawn. Each view is a custom element with `options` (from the section's spec) and
// `show(value, answer)`; what can be pressed in it speaks through events that bubble: "gm-take" {pixels, shape}.

import { downloadFilm } from './apng.js';
import { bytesOf } from './bytes.js';
import { make } from './controls.js';
import { columnsFor, drawSheet, fit, imageOf, pictureAt } from './picture.js';
import { download, save } from './png.js';
import { roving } from './roving.js';
import { takesOver } from './takes.js';

export class View extends HTMLElement {
  options = {};
  connectedCallback() {
    if (this.laidOut) return;
    this.laidOut = true;
    this.classList.add('gm-view');
    const [room, narrow] = this.options.room ?? []; // pixels that it takes on a desk and on a phone
    if (narrow !== undefined) {
      this.classList.add('gm-roomy');
      this.style.cssText = `--gm-room: ${room}px; --gm-room-narrow: ${narrow}px`;
    }
    if (this.options.title)
      this.append((this.head = make('div', { class: 'gm-view-title' }, make('span', { textContent: this.options.title }))));
    this.layOut();
  }
  layOut() {}
  show() {}
  /** Something is on show, which can be kept from now on. */
  filled() {
    if (this.saves) this.saves.disabled = false;
    this.classList.add('gm-filled');
  }
  /** What a download of this view is signed with; the section sets it. */
  info = () => ({});
}

/** One or many pictures on one canvas; with `take` each can be taken to the pad. */
export class Grid extends View {
  layOut() {
    const { count = 16, columns = 0, shape = [1, 28, 28], alt = this.options.title || 'Pictures' } = this.options;
    this.canvas = make('canvas', { class: 'gm-sheet', role: 'img', 'aria-label': alt });
    const wide = Math.min(count, columns || columnsFor(count));
    fit(this.canvas, wide * (shape[2] + 2) - 2, Math.ceil(count / wide) * (shape[1] + 2) - 2); // the room that the first answer will take
    this.saves = make('button', {
      type: 'button',
      class: 'gm-icon gm-save',
      disabled: true,
      title: 'Download as PNG',
      'aria-label': `Download: ${alt}`,
      onclick: () => this.save(),
    });
    (this.head ??= this.appendChild(make('div', { class: 'gm-view-title' }, make('span')))).append(this.saves);
    this.append(this.canvas);
    if (this.options.take) this.takes = takesOver(this.canvas, alt);
  }
  show(picture) {
    if (!picture) return;
    this.picture = picture;
    const sheet = drawSheet(this.canvas, picture, this.options.columns);
    this.takes?.sheet(picture, sheet);
    this.filled();
  }
  save() {
    if (!this.picture) return;
    const scale = Math.max(2, Math.min(16, Math.floor(1024 / this.canvas.width)));
    const info = this.info();
    download(this.canvas, scale, info, `${info.model || 'genmodels'}_${info.seed ?? ''}.png`.replace('_.', '.'));
  }
}

/** A code as bars up and down from a middle line. */
class Bars extends View {
  layOut() {
    this.append(
      (this.canvas = make('canvas', {
        class: 'gm-bars',
        width: 320,
        height: 160,
        role: 'img',
        'aria-label': this.options.title || 'Code',
      })),
      (this.note = make('div', { class: 'gm-note' })),
    );
  }
  show(values) {
    if (!values) return;
    const view = this.canvas.getContext('2d');
    const { width, height } = this.canvas;
    const style = getComputedStyle(this);
    const reach = Math.max(1e-9, ...values.map(Math.abs));
    view.clearRect(0, 0, width, height);
    view.fillStyle = style.getPropertyValue('--gm-accent') || '#0d9488';
    values.forEach((v, i) => {
      const tall = (Math.abs(v) / reach) * (height / 2 - 4);
      view.globalAlpha = v < 0 ? 0.55 : 1;
      view.fillRect((i + 0.12) * (width / values.length), v < 0 ? height / 2 : height / 2 - tall, 0.76 * (width / values.length), tall);
    });
    view.globalAlpha = 1;
    view.fillStyle = style.color;
    view.fillRect(0, height / 2, width, 1);
    this.note.textContent = `${values.length} numbers, from ${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;
    this.canvas.setAttribute('aria-label', `Code: ${this.note.textContent}`);
    this.classList.add('gm-filled');
  }
}

/**
 * A histogram with a mark: {counts, edges, mark, left, right}; with {above, below} of two kinds one grows up, one down.
 * A density has {curve: heights at equal distances} too.
 */
class Histogram extends View {
  layOut() {
    if (this.options.keys)
      this.append(make('div', { class: 'gm-keys' }, ...this.options.keys.map((text) => make('span', {}, make('i'), text))));
    this.append(
      (this.canvas = make('canvas', {
        class: 'gm-histogram',
        width: 640,
        height: 192,
        role: 'img',
        'aria-label': this.options.title || 'Histogram',
      })),
      (this.ends = make('div', { class: 'gm-ends' }, make('span'), make('span'), make('span'))),
    );
  }
  show(value) {
    if (!value) return;
    const view = this.canvas.getContext('2d');
    fit(this.canvas, 2 * this.canvas.clientWidth || 640, 2 * this.canvas.clientHeight || 192); // letters as wide as they should be
    const { width, height } = this.canvas;
    const style = getComputedStyle(this);
    const accent = style.getPropertyValue('--gm-accent') || '#0d9488';
    const bar = style.getPropertyValue('--gm-bar') || '#cbd5e1';
    const { edges, mark, above, below, curve } = value;
    const counts = value.counts ?? above;
    const n = counts.length;
    const at = (x) => ((x - edges[0]) / (edges[n] - edges[0])) * width;
    const half = below ? height / 2 : height;
    view.clearRect(0, 0, width, height);
    const top = Math.max(...counts, ...(below ?? [0]), ...(curve ?? [0])) || 1;
    for (let i = 0; i < n; i++) {
      const tall = (counts[i] / top) * (half - 8);
      view.fillStyle = mark !== undefined && !below && edges[i] <= mark ? accent : below ? accent : bar;
      view.fillRect((i + 0.06) * (width / n), half - tall, 0.88 * (width / n), tall);
      if (!below) continue;
      view.fillStyle = bar;
      view.fillRect((i + 0.06) * (width / n), half, 0.88 * (width / n), (below[i] / top) * (half - 8));
    }
    if (curve) {
      view.strokeStyle = accent;
      view.lineWidth = 3;
      view.beginPath();
      curve.forEach((v, i) => view.lineTo((i / (curve.length - 1)) * width, half - (v / top) * (half - 8)));
      view.stroke();
    }
    if (mark !== undefined) {
      const x = Math.max(2, Math.min(width - 2, at(mark)));
      view.fillStyle = style.color;
      view.fillRect(x - 2, 0, 4, height);
      view.font = '600 26px system-ui, sans-serif';
      const label = mark > edges[n] ? `${mark.toPrecision(3)} →` : mark.toPrecision(3);
      const wide = view.measureText(label).width;
      view.fillText(label, x + 8 + wide > width ? x - 8 - wide : x + 8, 26);
    }
    const [left, middle, right] = this.ends.children;
    [left.textContent, middle.textContent, right.textContent] = [value.left ?? '', value.middle ?? '', value.right ?? ''];
    this.canvas.setAttribute(
      'aria-label',
      `${this.options.title || 'Histogram'}${mark === undefined ? '' : `, marked at ${mark.toPrecision(3)}`}`,
    );
    this.classList.add('gm-filled');
  }
}

/** One sentence, or several: plain text with **bold** parts; announced when it changes. */
class Words extends View {
  layOut() {
    this.append((this.line = make('p', { class: 'gm-verdict', role: 'status' })));
  }
  show(text) {
    if (text === undefined) return; // an answer of many that says nothing new
    this.line.replaceChildren(...spoken(text ?? ''));
    this.classList.toggle('gm-filled', Boolean(text));
  }
}

/** Text as nodes: what stands between two marks as an element of that tag. */
const marked = (text, mark, tag) =>
  text.split(mark).map((part, i) => (i % 2 ? make(tag, { textContent: part }) : document.createTextNode(part)));

/** "a **b** c" as nodes. */
export const spoken = (text) => marked(text, '**', 'b');

/** "a `b` c" as nodes. */
export const coded = (text) => marked(text, '`', 'code');

/** Small pictures with captions: {pictures, titles: [[line, …]], marked: [bool]}. */
class Gallery extends View {
  layOut() {
    this.append((this.box = make('div', { class: 'gm-gallery' })));
    if (this.options.take) this.rove = roving(this.box);
    const { columns = 5, count = 0, lines = 1, shape = [1, 28, 28] } = this.options;
    this.box.style.setProperty('--gm-columns', columns);
    const room = () =>
      make(
        'figure',
        { class: 'gm-item' },
        make('canvas', { width: shape[2], height: shape[1] }),
        make('figcaption', { textContent: Array(lines).fill('\u00a0').join('\n') }),
      );
    this.rooms = (n) => Array.from({ length: Math.max(0, n) }, room);
    this.box.append(...this.rooms(count)); // until the first answer
  }
  /** While pictures are still to come, their places stay, so that nothing below moves; but those that come as a whole. */
  show(value, { complete = true } = {}) {
    if (!value) return;
    const { pictures, titles, marked = [] } = value;
    const [n, c, h, w] = pictures.shape;
    const bytes = bytesOf(pictures.pixels);
    const places = complete || this.options.whole ? 0 : this.box.childElementCount;
    this.box.replaceChildren(
      ...Array.from({ length: n }, (_, i) => {
        const canvas = make('canvas', { width: w, height: h, role: 'img', 'aria-label': titles[i].join(', ') });
        canvas.getContext('2d').putImageData(imageOf(bytes, [c, h, w], i * c * h * w), 0, 0);
        const caption = make('figcaption', {}, ...titles[i].flatMap((line, k) => (k ? [make('br'), line] : [line])));
        const take = () => this.dispatchEvent(new CustomEvent('gm-take', { bubbles: true, detail: pictureAt(pictures, i) }));
        const seen = this.options.take
          ? make('button', { type: 'button', class: 'gm-take', title: 'Take it to the pad', onclick: take }, canvas)
          : canvas;
        return make('figure', { class: `gm-item${marked[i] ? ' gm-marked' : ''}` }, seen, caption);
      }),
      ...this.rooms(places - n),
    );
    this.rove?.settle();
    this.classList.add('gm-filled');
  }
}

/** A file to keep: {name, type, bytes: base64}. */
class Kept extends View {
  layOut() {
    this.append((this.button = make('button', { type: 'button', class: 'gm-button', hidden: true, onclick: () => this.save() })));
  }
  begin() {
    this.button.hidden = true;
  }
  show(file) {
    if (!file) return;
    this.file = file;
    this.button.hidden = false;
    this.button.textContent = `Download ${file.name}`;
    this.classList.add('gm-filled');
  }
  save() {
    const { bytes, name, type } = this.file;
    save(bytesOf(bytes), name, type);
  }
}

/** Galleries one below the other, as they come: [{title, model, unit, note, gallery}]. */
class Rankings extends View {
  begin() {
    for (const row of this.querySelectorAll('.gm-ranking')) row.remove();
  }
  show(rows = []) {
    for (const { title, model, unit, note, gallery } of rows) {
      const view = Object.assign(document.createElement('gm-gallery'), { options: { ...this.options, title: '', room: undefined } });
      const head = make('p', {}, make('b', { textContent: title }), ` · ${model}${unit ? `, ${unit}` : ''}`);
      this.append(make('div', { class: 'gm-ranking' }, head, view, make('p', { class: 'gm-note', textContent: note })));
      view.show(gallery);
    }
  }
}

/** Where a visitor's own pictures are chosen, many at once: the control of the field that its options name by `key`. */
class Many extends View {
  layOut() {
    this.section = this.closest('.gm-section');
    this.list = make('div', { class: 'gm-strip' });
    this.note = make('span', { class: 'gm-note', role: 'status' });
    this.trouble = make('span', { class: 'gm-trouble', role: 'alert' });
    const pick = make('button', { type: 'button', class: 'gm-button', textContent: 'Your own pictures …' });
    pick.addEventListener('click', async () => (await import('./many.js')).choose(this));
    this.back = make('button', { type: 'button', class: 'gm-button', textContent: 'The given ones again', hidden: true });
    this.back.addEventListener('click', () => {
      this.note.textContent = '';
      this.set([]);
      this.section.change(this.options.key, []);
    });
    this.append(make('div', { class: 'gm-pair' }, pick, this.back), this.list, this.note, this.trouble);
    this.section.controls[this.options.key] = this;
  }
  get element() {
    return this;
  }
  refuse(words) {
    this.trouble.textContent = words || '';
  }
  set(value) {
    this.back.hidden = !value?.length;
    if (!value?.length) this.list.replaceChildren();
  }
  fit() {}
}

/** Two pictures on one another, and a slider: {before, after, titles}. */
class Compared extends View {
  async show(value) {
    if (value) (await import('./compared.js')).show(this, value);
  }
}

const still = matchMedia('(prefers-reduced-motion: reduce)');

/** Frames on a scrubber: {frames: picture with N = frames (each one sheet), captions: [text], start}; plays when `plays`. */
class Film extends View {
  layOut() {
    const { shape = [1, 28, 28], tiles = [1, 1], alt = this.options.title || 'Film' } = this.options;
    this.canvas = make('canvas', { class: 'gm-sheet', role: 'img', 'aria-label': alt });
    fit(this.canvas, tiles[0] * (shape[2] + 2) - 2, tiles[1] * (shape[1] + 2) - 2); // tiles: pictures across and down a frame
    this.caption = make('div', { class: 'gm-note', 'aria-live': 'off' });
    this.range = make('input', { type: 'range', min: 0, max: 0, step: 1, value: 0, 'aria-label': `Frame: ${alt}` });
    this.button = make('button', {
      type: 'button',
      class: 'gm-play',
      onclick: () => (this.timer ? this.pause() : this.play()),
    });
    this.range.addEventListener('input', () => {
      this.pause();
      this.draw(Number(this.range.value));
    });
    this.saves = make('button', {
      type: 'button',
      class: 'gm-icon gm-save',
      disabled: true,
      title: 'Download as animated PNG',
      'aria-label': `Download: ${alt}`,
      onclick: () => this.save(),
    });
    (this.head ??= this.appendChild(make('div', { class: 'gm-view-title' }, make('span')))).append(this.saves);
    this.append(this.canvas, make('div', { class: 'gm-scrub' }, this.button, this.range), this.caption);
    this.pause();
  }
  save() {
    if (!this.value) return;
    const [n, c, h, w] = this.value.frames.shape;
    const info = this.info();
    downloadFilm(
      n,
      (i) => imageOf(this.bytes, [c, h, w], i * c * h * w),
      this.options.interval || 120,
      info,
      `${info.model || 'genmodels'}_${this.options.key}.png`,
    );
  }
  show(value) {
    if (!value) return;
    this.value = value;
    this.bytes = bytesOf(value.frames.pixels);
    this.range.max = value.frames.shape[0] - 1;
    this.filled();
    const again = this.options.loops && this.shown; // a loop that is changed while it runs goes on where it is, and stays paused
    this.shown = true;
    this.draw(Math.min(again ? Number(this.range.value) : (value.start ?? 0), value.frames.shape[0] - 1));
    if (again ? this.timer : this.options.plays && !still.matches) this.play();
  }
  draw(i) {
    const [, c, h, w] = this.value.frames.shape;
    fit(this.canvas, w, h);
    this.canvas.getContext('2d').putImageData(imageOf(this.bytes, [c, h, w], i * c * h * w), 0, 0);
    this.range.value = i;
    this.caption.textContent = this.value.captions?.[i] ?? '';
    this.range.setAttribute('aria-valuetext', this.caption.textContent || `frame ${i + 1}`);
  }
  play() {
    const n = this.value?.frames.shape[0] ?? 0;
    if (n < 2) return;
    let i = Number(this.range.value);
    if (i >= n - 1) i = -1;
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      i += 1;
      if (i >= n) {
        if (!this.options.loops) return this.pause();
        i = 0;
      }
      this.draw(i);
    }, this.options.interval || 120);
    this.button.textContent = 'Pause';
  }
  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = 'Play';
  }
  disconnectedCallback() {
    this.pause();
  }
}

const VIEWS = {
  'gm-grid': Grid,
  'gm-bars': Bars,
  'gm-histogram': Histogram,
  'gm-words': Words,
  'gm-gallery': Gallery,
  'gm-film': Film,
  'gm-kept': Kept,
  'gm-rankings': Rankings,
  'gm-many': Many,
  'gm-compared': Compared,
};
for (const [name, view] of Object.entries(VIEWS)) customElements.define(name, view);
