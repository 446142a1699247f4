// The latent map: test images as coloured points, the picture decoded where the pointer is, and where a drawing lands: the
// ellipse of q(z|x), two standard deviations wide. The arrow keys move too.
import { latestOnly } from './backend.js';
import { make } from './controls.js';
import { drawSheet } from './picture.js';
import { download } from './png.js';
import { Section } from './section.js';

const COLOURS = ['#4e79a7', '#f28e2b', '#e15759', '#3fa7a1', '#59a14f', '#c9a400', '#b07aa1', '#ff7f9e', '#9c755f', '#8a8f98'];
const SIDE = 720;

/** The points of a map {points, extent} on a canvas of that side; `only`: the class that is singled out. */
export function plot(canvas, { points, extent: e }, radius, only = null) {
  const pen = canvas.getContext('2d');
  const side = canvas.width;
  for (const [x, y, c] of points) {
    pen.globalAlpha = only === null ? 0.75 : only === c ? 0.95 : 0.1;
    pen.fillStyle = COLOURS[c % COLOURS.length];
    pen.beginPath();
    pen.arc(((x + e) / (2 * e)) * side, ((e - y) / (2 * e)) * side, radius, 0, 7);
    pen.fill();
  }
  pen.globalAlpha = 1;
}

class MapSection extends Section {
  only = null; // the class that the legend singles out
  probe = { x: 0, y: 0 };
  where = null; // the drawing's {mean, std}
  linkedPicture = null; // a drawing that came with a place for the pointer

  layOutViews() {
    this.views = [];
    this.canvas = make('canvas', {
      class: 'gm-map-canvas',
      width: SIDE,
      height: SIDE,
      tabIndex: 0,
      data: { key: 'x y' },
      role: 'application',
      'aria-label': 'Latent map: move the pointer or use the arrow keys to decode a point',
    });
    this.legend = make('div', { class: 'gm-map-legend', role: 'group', 'aria-label': 'Classes' });
    this.picture = make('canvas', {
      class: 'gm-map-picture',
      width: 28,
      height: 28,
      role: 'img',
      'aria-label': 'The picture decoded at the pointer',
    });
    this.note = make('div', { class: 'gm-note' });
    const save = make('button', {
      type: 'button',
      class: 'gm-button',
      textContent: 'Download PNG',
      onclick: () => this.save(),
    });
    this.main.append(
      make(
        'div',
        { class: 'gm-map' },
        make('div', { class: 'gm-map-plane' }, this.canvas, this.legend),
        make(
          'div',
          { class: 'gm-map-side' },
          make('div', { class: 'gm-view-title', textContent: 'Decoded at the pointer' }),
          this.picture,
          this.note,
          save,
        ),
      ),
    );
    this.locates = latestOnly(
      (state) => this.page.backend.ask('vae.where', state),
      (answer, { picture }) => this.located(answer, picture),
    );
    this.canvas.addEventListener('pointerdown', (event) => {
      if (event.pointerType !== 'mouse' && !this.armed) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.follow(event);
    });
    this.canvas.addEventListener(
      'pointermove',
      (event) => (event.pointerType === 'mouse' || (this.armed && event.buttons)) && this.follow(event),
    );
    this.canvas.addEventListener('click', (event) => {
      this.armed = true; // a finger scrolls past until it has tapped once
      this.canvas.dataset.armed = true;
      this.follow(event);
    });
    this.canvas.addEventListener('keydown', (event) => this.key(event));
  }

  async wake() {
    this.awake = true;
    await this.open();
    this.locate();
  }

  async open() {
    const asked = this.model;
    const map = await this.page.backend.ask('page.points', { model: asked });
    if (asked !== this.model) return;
    if (map.error) return this.refuse(map);
    this.map = map;
    this.only = null;
    this.dots();
    this.legends();
    await this.go(...['x', 'y'].map((key) => this.state[key] ?? this.fit(key).default));
  }

  pageChanged(what) {
    if (what === 'data') {
      this.model = this.modelFor(this.page.data);
      this.where = null;
      if (this.awake) this.open().then(() => this.locate());
    } else if (what === 'picture' && this.awake) this.locate();
  }

  refresh() {
    return this.open();
  }

  locate() {
    const picture = this.page.shared('picture', this);
    if (picture) return this.locates({ model: this.model, picture });
  }

  /** The ellipse, and the pointer in its middle, but where a link says otherwise. */
  located(answer, picture) {
    if (answer.error) return;
    this.where = answer;
    if (picture === this.linkedPicture) this.draw();
    else this.go(...answer.mean);
  }

  /** The picture belongs to it once one is on the pad: until then no mark says where it lies. */
  whole() {
    const { picture, ...rest } = super.whole();
    return this.page.shared('picture', this) ? { picture, ...rest } : rest;
  }

  restore(state) {
    this.linkedPicture = this.page.shared('picture', this);
    super.restore(state);
  }

  // -- drawing ---------------------------------------------------------------------------------------------------------

  at({ x, y }) {
    const e = this.map.extent;
    return [((x + e) / (2 * e)) * SIDE, ((e - y) / (2 * e)) * SIDE];
  }

  dots() {
    this.layer = make('canvas', { width: SIDE, height: SIDE });
    plot(this.layer, this.map, 4, this.only);
  }

  draw() {
    if (!this.map) return;
    const pen = this.canvas.getContext('2d');
    const ink = getComputedStyle(this.canvas).color;
    const [u, v] = this.at(this.probe);
    pen.clearRect(0, 0, SIDE, SIDE);
    pen.globalAlpha = 0.25;
    pen.strokeStyle = ink;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(SIDE / 2, 0);
    pen.lineTo(SIDE / 2, SIDE);
    pen.moveTo(0, SIDE / 2);
    pen.lineTo(SIDE, SIDE / 2);
    pen.stroke();
    pen.globalAlpha = 1;
    pen.drawImage(this.layer, 0, 0);
    if (this.where) this.ellipse(pen, ink);
    pen.lineWidth = 3;
    pen.strokeStyle = ink;
    pen.beginPath();
    pen.arc(u, v, 13, 0, 7);
    for (const [a, b] of [
      [-1, 0],
      [1, 0],
      [0, -1],
      [0, 1],
    ]) {
      pen.moveTo(u + 7 * a, v + 7 * b);
      pen.lineTo(u + 22 * a, v + 22 * b);
    }
    pen.stroke();
  }

  ellipse(pen, ink) {
    const { mean, std } = this.where;
    const e = this.map.extent;
    const hold = (t) => Math.max(-e, Math.min(e, t));
    const [a, b] = this.at({ x: hold(mean[0]), y: hold(mean[1]) });
    const radius = std.map((s) => Math.max(6, (2 * s * SIDE) / (2 * e)));
    pen.beginPath();
    pen.ellipse(a, b, radius[0], radius[1], 0, 0, 7);
    pen.fillStyle = 'rgba(255,255,255,0.55)';
    pen.fill();
    pen.lineWidth = 4;
    pen.strokeStyle = ink;
    pen.stroke();
  }

  legends() {
    const press = (i, button) => {
      this.only = this.only === i ? null : i;
      for (const b of this.legend.children) b.setAttribute('aria-pressed', String(b === button && this.only !== null));
      this.dots();
      this.draw();
    };
    this.legend.replaceChildren(
      ...this.map.classes.map((name, i) => {
        const button = make('button', { type: 'button', 'aria-pressed': 'false' }, make('i'), name);
        button.firstChild.style.background = COLOURS[i % COLOURS.length];
        button.addEventListener('click', () => press(i, button));
        return button;
      }),
    );
  }

  // -- moving ----------------------------------------------------------------------------------------------------------

  go(x, y) {
    if (!this.map) return;
    const e = this.map.extent;
    const hold = (t) => Math.round(Math.max(-e, Math.min(e, t)) * 1000) / 1000;
    this.probe = { x: hold(x), y: hold(y) };
    Object.assign(this.state, this.probe);
    this.note.textContent = `z = (${this.probe.x.toFixed(2)}, ${this.probe.y.toFixed(2)})`;
    requestAnimationFrame(() => this.draw());
    return this.ask();
  }

  receive(answer, state) {
    if (state.model !== this.model) return;
    super.receive(answer, state);
    if (!answer.error) drawSheet(this.picture, answer.picture);
  }

  follow(event) {
    if (!this.map) return;
    const box = this.canvas.getBoundingClientRect();
    const e = this.map.extent;
    this.go((((event.clientX - box.left) / box.width) * 2 - 1) * e, (1 - ((event.clientY - box.top) / box.height) * 2) * e);
  }

  key(event) {
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step || !this.map) return;
    event.preventDefault();
    const far = this.map.extent * (event.shiftKey ? 0.2 : 0.04);
    this.go(this.probe.x + step[0] * far, this.probe.y + step[1] * far);
  }

  save() {
    const { x, y } = this.probe;
    download(this.picture, Math.ceil(448 / this.picture.width), this.page.signature(this), `${this.model}_${x}_${y}.png`);
  }
}

customElements.define('gm-map', MapSection);
