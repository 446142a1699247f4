// What the model expects of the pixel under the pointer, knowing only those before it. Its value is what `autoregressive.surprise_map`
// returns: {name, shape, pixels, bits}. server.expected({name, pixels, x, y}) answers {channels} or {error}.
import { Piece, heat } from './piece.js';
import { bytesOf } from './bytes.js';
import { fit } from './picture.js';
import { latestOnly } from './backend.js';

const template = (props) => `
<div class="gm-expected">
  <div class="gm-expected-screens">
    <figure>
      <figcaption>${props.label ?? ''}</figcaption>
      <canvas class="gm-expected-picture" tabindex="0" role="application" aria-label="${props.label ?? ''}: move the pointer, tap or use the arrow keys to choose a pixel"></canvas>
    </figure>
    <figure>
      <figcaption>How surprised it was</figcaption>
      <canvas class="gm-expected-bits" role="img" aria-label="How surprised it was"></canvas>
      <div class="gm-heat"><span>0</span><i class="gm-heat-bar"></i><span class="gm-heat-most"></span></div>
    </figure>
  </div>
  <div class="gm-expected-where" aria-live="polite"></div>
  <div class="gm-expected-charts"></div>
</div>`;

export class Expected extends Piece {
  static template = template;

  mount({ element, props, changed, trigger }) {
    const root = element.querySelector('.gm-expected');
    const picture = root.querySelector('.gm-expected-picture');
    const surprise = root.querySelector('.gm-expected-bits');
    const where = root.querySelector('.gm-expected-where');
    const charts = root.querySelector('.gm-expected-charts');
    const ZOOM = 12; // points per pixel of the picture
    const NAMES = { 1: ['Grey'], 3: ['Red', 'Green', 'Blue'] }, ENDS = { 1: ['#fff'], 3: ['#f00', '#0f0', '#00f'] };
    const HINT = 'Move over a picture, tap it, or use the arrow keys: what does the model expect there?';

    let probe = null;      // the pixel that was asked for last, {x, y}
    let inside = false;    // whether the pointer is there: then what the model does not know yet is covered
    let seen = null;       // the value on show

    // ---- the two pictures --------------------------------------------------------------------------------------------
    function enlarged(canvas, colour) {
      const [, h, w] = seen.shape, pen = canvas.getContext('2d');
      fit(canvas, w * ZOOM, h * ZOOM);
      for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
        pen.fillStyle = `rgb(${colour(y * w + x).join()})`;
        pen.fillRect(x * ZOOM, y * ZOOM, ZOOM, ZOOM);
      }
      if (probe) {
        pen.lineWidth = 3; pen.strokeStyle = '#f59e0b';
        pen.strokeRect(probe.x * ZOOM - 1, probe.y * ZOOM - 1, ZOOM + 2, ZOOM + 2);
      }
    }
    function draw() {
      if (!seen) return;
      const [c, , w] = seen.shape, most = c === 3 ? 12 : 8;
      const known = (i) => !probe || !inside || i < probe.y * w + probe.x;
      enlarged(picture, (i) => {
        const at = [0, 1, 2].map((k) => seen.bytes[i * c + (c === 3 ? k : 0)]);
        return known(i) ? at : at.map((v) => Math.round(0.22 * v + 0.78 * 128)); // it has not seen this one yet
      });
      enlarged(surprise, (i) => heat(seen.unsure[i] / 10, most));
      root.querySelector('.gm-heat-most').textContent = `${most} bits or more`;
    }

    // ---- the distribution --------------------------------------------------------------------------------------------
    const percent = (p) => (p >= 0.9995 && p < 1 ? 'over 99.9 %' : p < 0.0005 ? 'under 0.1 %' : `${(100 * p).toFixed(1)} %`);

    function chartOf({ probabilities: p, level, bits }, i, count) {
      const top = Math.max(...p), best = p.indexOf(top), n = p.length;
      const bars = p.map((v, k) => (v / top < 0.001 ? '' : `<rect class="gm-past" x="${k}" width="1" y="${(100 - 100 * v / top).toFixed(2)}" height="${(100 * v / top).toFixed(2)}"/>`));
      const place = (100 * (level + 0.5) / n).toFixed(2), side = level > n / 2 ? ' gm-marker-left' : '';
      const figure = document.createElement('figure');
      figure.className = 'gm-figure gm-histogram';
      figure.innerHTML = `<figcaption>${NAMES[count][i]}: most likely ${best} (${percent(top)})</figcaption>
        <div class="gm-plot"><svg viewBox="0 0 ${n} 100" preserveAspectRatio="none" aria-hidden="true">${bars.join('')}</svg>
        <div class="gm-marker${side}" style="left:${place}%"><span>it is ${level}: ${percent(p[level])}, ${bits.toFixed(1)} bits</span></div></div>
        <div class="gm-expected-scale" style="background: linear-gradient(to right, #000, ${ENDS[count][i]})"></div>
        <div class="gm-ends"><span>0</span><span>${n - 1}</span></div>`;
      return figure;
    }
    function tell(text, empty = false) {
      where.textContent = text;
      where.dataset.empty = empty;
    }
    const ask = latestOnly((question) => server.expected(question), ({ channels }, asked) => {
      if (!seen || asked.name !== seen.name || asked.pixels !== seen.pixels) return;
      const sum = (key) => channels.reduce((total, channel) => total + channel[key], 0).toFixed(1);
      tell(`Column ${asked.x + 1}, row ${asked.y + 1}: it was surprised by ${sum('bits')} bits; ${sum('entropy')} were to be expected.`);
      root.dataset.channels = channels.length;
      charts.replaceChildren(...channels.map((channel, i) => chartOf(channel, i, channels.length)));
      root.dataset.pixel = `${asked.x},${asked.y}`;
    }, tell);

    function go(x, y) {
      if (!seen) return;
      const [, h, w] = seen.shape, hold = (v, end) => Math.max(0, Math.min(end - 1, Math.floor(v)));
      const next = { x: hold(x, w), y: hold(y, h) };
      const same = probe && probe.x === next.x && probe.y === next.y;
      probe = next;
      requestAnimationFrame(draw);
      if (!same) question();
    }
    const question = () => ask({ name: seen.name, pixels: seen.pixels, ...probe });

    // ---- pointer and keys --------------------------------------------------------------------------------------------
    for (const canvas of [picture, surprise]) {
      const follow = (event) => {
        if (!seen) return;
        const box = canvas.getBoundingClientRect();
        inside = true;
        go((event.clientX - box.left) / box.width * seen.shape[2], (event.clientY - box.top) / box.height * seen.shape[1]);
      };
      canvas.addEventListener('pointerdown', (event) => { if (event.button === 0) { canvas.setPointerCapture(event.pointerId); follow(event); } });
      canvas.addEventListener('pointermove', (event) => { if (event.pointerType === 'mouse' || event.buttons) follow(event); });
      canvas.addEventListener('pointerleave', () => { inside = false; requestAnimationFrame(draw); });
    }
    picture.addEventListener('keydown', (event) => {
      const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step || !seen) return;
      event.preventDefault();
      inside = true;
      const [, h, w] = seen.shape, from = probe || { x: w / 2, y: h / 2 };
      go(from.x + step[0], from.y + step[1]);
    });
    picture.addEventListener('blur', () => { inside = false; requestAnimationFrame(draw); });

    function open() {
      const value = props.value;
      if (!value || !value.pixels) return;
      const other = seen && seen.name !== value.name;
      seen = { ...value, bytes: bytesOf(value.pixels), unsure: bytesOf(value.bits) };
      if (other || !probe) {
        probe = null;
        charts.replaceChildren(); delete root.dataset.pixel;
        tell(HINT, true);
      } else question(); // the same pixel of another picture
      draw();
    }
    changed(' value ', open);
    open();
  }
}

customElements.define('gm-expected', Expected);
