// One drawing and what every family makes of it: at once what takes one pass, and after a pause of the pen the rest. Three
// families are asked together, so that the quick ones need not wait for the others; a backend may ask for other numbers.
import { latestOnly } from './backend.js';
import { make } from './controls.js';
import { plot } from './map.js';
import { linkTo } from './overview.js';
import { drawSheet } from './picture.js';
import { Section } from './section.js';
import { spoken } from './views.js';

const PAUSE = 300; // milliseconds without a stroke, after which the slow ones begin
const FILL = 'overview.fill'; // speaks the same state
const SIDE = 240;
const TOGETHER = 3;
const LIVE = 50; // milliseconds within which families answer that follow a moving pen
const STILL = 250; // without a move, after which the others are asked, too

class See extends Section {
  layOutViews() {
    const page = this.page.page;
    this.views = [];
    this.maps = {};
    const keys = this.fit('families').default.filter((key) => page.spec.families[key]);
    this.cards = Object.fromEntries(keys.map((key) => [key, new Reading(key, page.spec.families[key], page)]));
    const { together = TOGETHER } = this.page.backend;
    this.lines = keys.flatMap((_, i) => (i % together ? [] : [this.line(keys.slice(i, i + together))]));
    this.spoken = make('p', { class: 'gm-unseen', role: 'status' });
    this.main.append(make('div', { class: 'gm-readings' }, ...Object.values(this.cards).map((card) => card.element)), this.spoken);
    this.classList.remove('gm-bare');
    this.side.append(this.page.panel);
  }

  /** Families that are asked together: a function that takes the question. Slow ones would still be busy with half a stroke when it
   * ends, so they wait for its end. */
  line(families) {
    let took = 0;
    const asks = latestOnly(
      async (question) => {
        const start = performance.now();
        const answer = await this.page.backend.ask(this.spec.key, { ...question, families });
        took = performance.now() - start;
        return answer;
      },
      (answer, question) => this.heard(answer, question),
    );
    return async (question) => {
      if (took > LIVE) await this.rest();
      if (question === this.asked) await asks(question);
    };
  }

  /** Until the pen is lifted or keeps still. */
  async rest() {
    const { pad } = this.page;
    if (!pad?.drawing) return;
    await new Promise((resolve) => {
      pad.addEventListener('gm-lifted', resolve, { once: true });
      setTimeout(resolve, STILL);
    });
  }

  /** Another picture: what is computed of the former one is no longer wanted. */
  ask() {
    this.changed = performance.now();
    clearTimeout(this.waiting);
    this.running?.abort();
    for (const card of Object.values(this.cards)) card.wait();
    this.asked = this.question();
    this.open = this.lines.length; // of the lines, those that have not answered this
    return Promise.all(this.lines.map((asks) => asks(this.asked)));
  }

  heard(answer, question) {
    for (const [key, part] of Object.entries(answer.families ?? {})) this.tell(key, part);
    if (question !== this.asked) return;
    this.open -= 1;
    if (answer.error || !this.open) this.receive(answer, question);
    if (!answer.error && !this.open)
      this.waiting = setTimeout(() => this.fill(question), Math.max(0, this.changed + PAUSE - performance.now()));
  }

  async fill(state) {
    const mine = (this.running = new AbortController());
    for await (const answer of this.page.backend.follow(FILL, state, mine.signal, this.spec.lane)) {
      if (this.running !== mine || mine.signal.aborted) return;
      if (answer.error) this.trouble.textContent = answer.error;
      for (const [key, part] of Object.entries(answer.families ?? {})) this.tell(key, part);
    }
    if (this.running !== mine) return;
    this.spoken.textContent = Object.values(this.cards)
      .map((card) => card.sentence())
      .join(' ');
    this.dispatchEvent(new CustomEvent('gm-change', { bubbles: true, detail: { section: FILL, state } }));
  }

  tell(key, part) {
    this.cards[key]?.show(part, (model) => this.pointsOf(model));
  }

  /** All test images of a map as dots, asked and drawn once: {layer, extent} or {error}. */
  pointsOf(model) {
    this.maps[model] ??= this.page.backend.ask('page.points', { model }).then((map) => {
      if (map.error) return map;
      const layer = make('canvas', { width: SIDE, height: SIDE });
      plot(layer, map, 2);
      return { layer, extent: map.extent };
    });
    return this.maps[model];
  }
}

/** What a family makes of the picture: two parts, a sentence, a place among test images. */
class Reading {
  constructor(key, { title, verb }, page) {
    this.title = title;
    this.slots = [new Slot(), new Slot()];
    this.words = make('p', { class: 'gm-said' });
    this.trouble = make('p', { class: 'gm-trouble' });
    this.dot = make('i');
    this.rank = make('div', { class: 'gm-rank', role: 'img', hidden: true }, make('div', {}, this.dot), make('span'), make('span'));
    this.element = make(
      'article',
      { class: 'gm-reading', data: { family: key }, style: `--gm-accent: var(--gm-${key})` },
      make('h3', {}, linkTo(key, page, { textContent: title }), ` ${verb}`),
      make('div', { class: 'gm-slots' }, ...this.slots.map((slot) => slot.element)),
      this.words,
      this.rank,
      this.trouble,
    );
  }

  wait() {
    for (const slot of this.slots) slot.element.classList.add('gm-stale');
  }

  show({ slots = [], words, rank, note, error, progress }, pointsOf) {
    this.trouble.textContent = error ?? '';
    this.element.classList.toggle('gm-failed', Boolean(error));
    slots.forEach((slot, i) => this.slots[slot.place ?? i].show(slot, pointsOf));
    if (progress) this.slots.find((slot) => slot.element.classList.contains('gm-stale'))?.note(progress);
    if (words) this.words.replaceChildren(...spoken(words));
    if (rank) this.place(rank);
    if (note && !this.note) this.rank.after((this.note = make('p', { class: 'gm-note', textContent: note }))); // of what isn't here
  }

  place({ percent, left, right }) {
    this.dot.style.left = `${percent}%`;
    const [, first, last] = this.rank.children;
    first.textContent = left;
    last.textContent = right;
    this.rank.setAttribute('aria-label', `${percent.toFixed(0)} % of the way from “${left}” to “${right}”`);
    this.rank.hidden = false;
  }

  sentence() {
    return `${this.title}: ${this.trouble.textContent || this.words.textContent}`;
  }
}

class Slot {
  constructor() {
    this.canvas = make('canvas', { class: 'gm-sheet gm-unknown', width: 28, height: 28, role: 'img', 'aria-label': 'Not yet known' });
    this.caption = make('figcaption', { textContent: '\u00a0' });
    this.element = make('figure', { class: 'gm-stale' }, this.canvas, this.caption);
  }

  note(text) {
    this.caption.textContent = text;
  }

  async show({ title, kind, value, model }, pointsOf) {
    const map = kind === 'map' ? await pointsOf(model) : null;
    if (map?.error) return this.note(map.error);
    this.canvas.classList.toggle('gm-drawn', kind !== 'picture'); // first: what is drawn takes its colours from it
    if (kind === 'picture') drawSheet(this.canvas, value, 2, value.shape[0] > 1 ? 1 : 0);
    else if (kind === 'map') drawMap(this.canvas, map, value);
    else drawScores(this.canvas, value);
    this.canvas.setAttribute('aria-label', title);
    this.canvas.classList.remove('gm-unknown');
    this.element.className = 'gm-known';
    this.note(title);
  }
}

function blank(canvas) {
  Object.assign(canvas, { width: SIDE, height: SIDE });
  return canvas.getContext('2d');
}

/** All test images as dots, and a ring where the picture lies. */
function drawMap(canvas, { layer, extent: e }, { mean }) {
  const pen = blank(canvas);
  pen.drawImage(layer, 0, 0);
  const [u, v] = mean.map((z, i) => SIDE / 2 + ((i ? -1 : 1) * Math.max(-e, Math.min(e, z)) * SIDE) / (2 * e));
  pen.strokeStyle = getComputedStyle(canvas).color;
  pen.fillStyle = getComputedStyle(canvas).backgroundColor;
  pen.lineWidth = 5;
  pen.beginPath();
  pen.arc(u, v, 12, 0, 7);
  pen.fill();
  pen.stroke();
}

/** Scores of real test images upwards and of own pictures downwards, and a line at this picture's. */
function drawScores(canvas, { above, below, edges, mark }) {
  const pen = blank(canvas);
  const style = getComputedStyle(canvas);
  const top = Math.max(...above, ...below) / (SIDE / 2 - 8);
  const wide = SIDE / above.length;
  for (const [heights, way, colour] of [
    [above, -1, style.getPropertyValue('--gm-accent')],
    [below, 1, style.getPropertyValue('--gm-bar')],
  ]) {
    pen.fillStyle = colour;
    heights.forEach((h, i) => pen.fillRect(i * wide, SIDE / 2, wide - 1, (way * h) / top));
  }
  const x = ((mark - edges[0]) / (edges.at(-1) - edges[0])) * SIDE;
  pen.fillStyle = style.color;
  pen.fillRect(Math.max(0, Math.min(SIDE - 5, x - 2)), 0, 5, SIDE);
}

customElements.define('gm-see', See);
