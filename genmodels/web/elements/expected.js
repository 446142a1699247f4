// What the model expects of the pixel under the pointer, knowing only those before it. The map of surprises is asked for once
// per picture, what is expected of a pixel whenever another one is pointed at. The arrow keys move, too.
import { latestOnly } from './backend.js';
import { bytesOf } from './bytes.js';
import { make } from './controls.js';
import { fit } from './picture.js';
import { heat } from './piece.js';
import { Section } from './section.js';

const ZOOM = 12; // points per pixel of the picture
const NAMES = { 1: ['Grey'], 3: ['Red', 'Green', 'Blue'] };
const ENDS = { 1: ['#fff'], 3: ['#f00', '#0f0', '#00f'] };
const WORTH_SEEING = 40; // tenths of a bit: it begins at the pixel whose surprise is closest to this
const CHART = [512, 128];

class Expected extends Section {
  seen = null; // the picture on show: {model, pixels, shape, bits}
  inside = false; // whether a pixel is pointed at: then what the model does not know yet is covered

  // -- layout ------------------------------------------------------------------------------------------------------------

  layOutViews() {
    const [c, h, w] = this.page.facts[this.model].shape;
    this.views = [];
    this.plane = make('canvas', {
      class: 'gm-plane',
      tabIndex: 0,
      data: { key: 'x y' },
      role: 'application',
      'aria-label': 'The picture: move the pointer, tap or use the arrow keys to choose a pixel',
    });
    this.warmth = make('canvas', {
      class: 'gm-plane',
      data: { key: 'x y' },
      role: 'img',
      'aria-label': 'How much each pixel surprised it',
    });
    for (const canvas of [this.plane, this.warmth]) fit(canvas, w * ZOOM, h * ZOOM);
    this.most = make('span');
    this.words = document.createElement('gm-words');
    this.charts = make('div', { class: 'gm-charts', data: { channels: c } });
    const title = (text) => make('div', { class: 'gm-view-title' }, make('span', { textContent: text }));
    const scale = make('div', { class: 'gm-heat' }, make('span', { textContent: '0' }), make('i', { class: 'gm-heat-bar' }), this.most);
    this.main.append(
      make(
        'div',
        { class: 'gm-twins' },
        make('div', {}, title('Point at a pixel'), this.plane),
        make('div', {}, title('How surprised it was'), this.warmth, scale),
      ),
      this.words,
      this.charts,
    );
    this.maps = latestOnly(
      (state) => this.page.backend.ask(`${this.spec.key.split('.')[0]}.surprise`, state),
      (answer, state) => this.opened(answer, state),
    );
    for (const canvas of [this.plane, this.warmth]) this.listen(canvas);
    this.plane.addEventListener('keydown', (event) => this.key(event));
    this.plane.addEventListener('blur', () => this.cover(false));
  }

  listen(canvas) {
    canvas.addEventListener(
      'pointermove',
      (event) => (event.pointerType === 'mouse' || (this.armed && event.buttons)) && this.follow(event),
    );
    canvas.addEventListener(
      'pointerdown',
      (event) => event.pointerType !== 'mouse' && this.armed && canvas.setPointerCapture(event.pointerId),
    );
    canvas.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && this.cover(false));
    canvas.addEventListener('click', (event) => {
      for (const one of [this.plane, this.warmth]) one.dataset.armed = true; // a finger scrolls past until it has tapped once
      this.armed = true;
      this.follow(event);
    });
  }

  // -- the picture ---------------------------------------------------------------------------------------------------------

  async wake() {
    this.awake = true;
    await this.open();
  }

  pageChanged(what) {
    if (what === 'data') {
      this.model = this.modelFor(this.page.data);
      this.variants();
      this.adapt();
    } else if (what !== 'picture') return;
    if (this.awake) this.open(what === 'data');
  }

  refresh() {
    return this.open();
  }

  /** anew: with another pixel, too. */
  open(anew = false) {
    if (anew) this.state = { model: this.model };
    const { x, y, ...state } = this.question();
    return this.maps(state);
  }

  async opened(answer, state) {
    if (state.model !== this.model) return;
    if (answer.error) return this.refuse(answer, state);
    const shape = answer.picture.shape.slice(1);
    this.seen = { model: state.model, shape, pixels: bytesOf(answer.picture.pixels), bits: bytesOf(answer.bits) };
    const far = [...this.seen.bits].map((tenths) => Math.abs(tenths - WORTH_SEEING));
    const start = far.indexOf(Math.min(...far));
    this.starts = { x: start % shape[2], y: Math.floor(start / shape[2]) }; // of this model: another begins elsewhere
    if (this.state.x === undefined || this.state.y === undefined) Object.assign(this.state, this.starts);
    this.draw();
    await this.ask();
  }

  receive(answer, state) {
    if (state.model !== this.model) return;
    super.receive(answer, state);
    if (answer.error) return;
    this.words.show(answer.words);
    this.charts.dataset.channels = answer.channels.length;
    this.charts.replaceChildren(...answer.channels.map((channel, i) => chartOf(channel, i, answer.channels.length)));
    this.dataset.pixel = `${state.x},${state.y}`;
  }

  // -- drawing -------------------------------------------------------------------------------------------------------------

  draw() {
    if (!this.seen) return;
    const { shape, pixels, bits } = this.seen;
    const [c, , w] = shape;
    const most = c === 3 ? 12 : 8;
    const known = (i) => !this.inside || i < this.state.y * w + this.state.x;
    this.enlarge(this.plane, (i) => {
      const at = [0, 1, 2].map((k) => pixels[i * c + (c === 3 ? k : 0)]);
      return known(i) ? at : at.map((v) => Math.round(0.22 * v + 0.78 * 128)); // it has not seen this one yet
    });
    this.enlarge(this.warmth, (i) => heat(bits[i] / 10, most));
    this.most.textContent = `${most} bits or more`;
  }

  enlarge(canvas, colour) {
    const [, h, w] = this.seen.shape;
    const image = new ImageData(w, h);
    for (let i = 0; i < w * h; i++) image.data.set([...colour(i), 255], i * 4);
    const small = make('canvas', { width: w, height: h });
    small.getContext('2d').putImageData(image, 0, 0);
    fit(canvas, w * ZOOM, h * ZOOM);
    const pen = canvas.getContext('2d');
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    pen.lineWidth = 3;
    pen.strokeStyle = '#f59e0b';
    pen.strokeRect(this.state.x * ZOOM - 1, this.state.y * ZOOM - 1, ZOOM + 2, ZOOM + 2);
  }

  cover(inside) {
    this.inside = inside;
    requestAnimationFrame(() => this.draw());
  }

  // -- moving --------------------------------------------------------------------------------------------------------------

  go(x, y) {
    const [, h, w] = this.seen.shape;
    const hold = (v, end) => Math.max(0, Math.min(end - 1, Math.floor(v)));
    const next = { x: hold(x, w), y: hold(y, h) };
    const same = next.x === this.state.x && next.y === this.state.y;
    Object.assign(this.state, next);
    this.cover(true);
    if (!same) this.ask();
  }

  follow(event) {
    if (!this.seen) return;
    const box = event.currentTarget.getBoundingClientRect();
    this.go(((event.clientX - box.left) / box.width) * this.seen.shape[2], ((event.clientY - box.top) / box.height) * this.seen.shape[1]);
  }

  key(event) {
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || !this.seen) return;
    event.preventDefault();
    this.go(this.state.x + step[0], this.state.y + step[1]);
  }
}

const percent = (p) => (p >= 0.9995 && p < 1 ? 'over 99.9 %' : p < 0.0005 ? 'under 0.1 %' : `${(100 * p).toFixed(1)} %`);

/** How likely every level is, and which one it is. */
function chartOf({ probabilities: p, level, bits }, i, count) {
  const top = Math.max(...p);
  const [width, height] = CHART;
  const title = `${NAMES[count][i]}: most likely ${p.indexOf(top)} (${percent(top)})`;
  const words = `it is ${level}: ${percent(p[level])}, ${bits.toFixed(1)} bits`;
  const canvas = make('canvas', { width, height, role: 'img', 'aria-label': `${title}; ${words}` });
  const pen = canvas.getContext('2d');
  const wide = width / p.length;
  pen.fillStyle = '#8a93a3';
  p.forEach((v, k) => pen.fillRect(k * wide, height - (height * v) / top, wide, (height * v) / top));
  const mark = make('div', { class: `gm-level${level > p.length / 2 ? ' gm-level-left' : ''}` }, make('span', { textContent: words }));
  mark.style.left = `${(100 * (level + 0.5)) / p.length}%`;
  const scale = make('div', { class: 'gm-levels' });
  scale.style.background = `linear-gradient(to right, #000, ${ENDS[count][i]})`;
  const ends = make('div', { class: 'gm-ends' }, make('span', { textContent: '0' }), make('span', { textContent: p.length - 1 }));
  return make(
    'figure',
    {},
    make('figcaption', { class: 'gm-label', textContent: title }),
    make('div', { class: 'gm-plot' }, canvas, mark),
    scale,
    ends,
  );
}

customElements.define('gm-expect', Expected);
