// Pictures that fill in row by row, and beside them how unsure the model was. Its value is what `autoregressive.sample_rows` yields:
// {run, shape, count, columns, rows: [{pixels, bits}], start, mask, info}, the next one with a row more in `rows`.
// Rows are shown as they come or, at a lower speed, later. Event: "stop", when the server need not go on.
import { Piece, heat } from './piece.js';
import { bytesOf } from './bytes.js';
import { download } from './png.js';
import { fit } from './picture.js';

const template = (props) => `
<div class="gm-writer">
  <div class="gm-writer-screens">
    <figure>
      <figcaption>${props.label ?? ''}</figcaption>
      <canvas class="gm-writer-pictures" role="img" aria-label="${props.label ?? ''}"></canvas>
    </figure>
    <figure>
      <figcaption>How unsure it was</figcaption>
      <canvas class="gm-writer-bits" role="img" aria-label="How unsure it was"></canvas>
      <div class="gm-heat"><span>0</span><i class="gm-heat-bar"></i><span class="gm-heat-most"></span></div>
    </figure>
  </div>
  <div class="gm-steps-bar">
    <div class="gm-seg"><button type="button" class="gm-steps-stop" disabled>Stop</button><button type="button" class="gm-steps-play" disabled>Replay</button></div>
    <label class="gm-writer-speed"><span>Speed</span><input type="range" min="0" max="8" value="8" step="1" aria-label="Speed"></label>
    <div class="gm-seg"><button type="button" data-action="save">Download PNG</button></div>
  </div>
  <div class="gm-steps-caption"></div>
</div>`;

export class Writer extends Piece {
  static template = template;

  mount({ element, props, changed, trigger }) {
    const root = element.querySelector('.gm-writer');
    const pictures = root.querySelector('.gm-writer-pictures');
    const unsure = root.querySelector('.gm-writer-bits');
    const button = root.querySelector('.gm-steps-play');
    const halt = root.querySelector('.gm-steps-stop'); // another button: a late click on Stop must not start a replay
    const speed = root.querySelector('.gm-writer-speed input');
    const caption = root.querySelector('.gm-steps-caption');
    const PAUSES = [1000, 600, 350, 200, 120, 70, 40, 20, 0]; // milliseconds between rows, by speed
    const GAP = 2, UNKNOWN = 255, REPLAY = 40;

    let writing = null;      // the value, with those rows that may be shown
    let start = null, given = null;
    let shown = 0, last = 0, timer = null; // rows on show, since when, and what will show the next one
    let halted = false, cancelled = false, replaying = false;
    let waiting = false; // for the first row of a run

    const height = () => writing.shape[1];
    const pause = () => PAUSES[Number(speed.value)];
    const coming = () => !cancelled && writing.rows.length < height(); // from the server
    const going = () => writing !== null && !halted && (shown < writing.rows.length || coming());

    // ---- drawing -----------------------------------------------------------------------------------------------------
    // `colour(picture, y, x)` gives [r, g, b] of one point, or null where nothing is known yet.
    function tile(canvas, colour) {
      const [, h, w] = writing.shape, { count, columns } = writing, lines = Math.ceil(count / columns);
      const image = new ImageData(columns * (w + GAP) - GAP, lines * (h + GAP) - GAP);
      for (let i = 0; i < count; i++) for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
        const found = colour(i, y, x);
        if (found) image.data.set([...found, 255], ((Math.floor(i / columns) * (h + GAP) + y) * image.width + i % columns * (w + GAP) + x) * 4);
      }
      fit(canvas, image.width, image.height);
      canvas.getContext('2d').putImageData(image, 0, 0);
    }

    function draw() {
      const [c, h, w] = writing.shape, most = c === 3 ? 6 : 8; // most colours of a hero are certain
      const rgb = (bytes, at) => (c === 3 ? [bytes[at], bytes[at + 1], bytes[at + 2]] : [bytes[at], bytes[at], bytes[at]]);
      tile(pictures, (i, y, x) => {
        if (y < shown) return rgb(writing.rows[y].bytes, (i * w + x) * c);
        return given && given[y * w + x] ? rgb(start, (y * w + x) * c) : null;
      });
      tile(unsure, (i, y, x) => {
        const bits = y < shown ? writing.rows[y].unsure[i * w + x] : UNKNOWN;
        return bits === UNKNOWN ? null : heat(bits / 10, most);
      });
      root.querySelector('.gm-heat-most').textContent = `${most} bits${c === 3 ? ' or more' : ''}`;
      if (going() && shown < h) line();
      say();
    }
    function line() { // where it writes now
      const [, h, w] = writing.shape, pen = pictures.getContext('2d');
      pen.fillStyle = getComputedStyle(root).getPropertyValue('--gm-accent');
      for (let i = 0; i < writing.count; i++) pen.fillRect(i % writing.columns * (w + GAP), Math.floor(i / writing.columns) * (h + GAP) + shown, w, 1);
    }

    function say() {
      const [c, h] = writing.shape, state = going() ? 'writing' : shown < h ? 'stopped' : 'done';
      let sum = 0, n = 0;
      for (const row of writing.rows.slice(0, shown)) for (const bits of row.unsure) if (bits !== UNKNOWN) { sum += bits / 10; n++; }
      const where = state === 'stopped' ? `Stopped after row ${shown} of ${h}` : `Row ${shown} of ${h}`;
      const mean = n ? `on average it was unsure by ${(sum / n / c).toFixed(2)} bits per pixel${c === 3 ? ' and colour' : ''}` : shown < h ? 'all of it was given' : 'nothing was hidden, so nothing was written';
      caption.textContent = shown ? `${where} · ${mean}` : where;
      root.dataset.rows = shown; root.dataset.state = state;
      sayButtons();
    }
    function sayButtons() {
      halt.disabled = !(waiting || going());
      button.disabled = !writing || waiting || going();
      if (waiting) root.dataset.state = 'waiting';
      if (waiting || !writing) caption.textContent = waiting ? 'Starting …' : '';
    }
    function wait(waits) {
      waiting = waits;
      if (writing) draw(); else sayButtons();
    }

    // ---- the course of time ------------------------------------------------------------------------------------------
    function advance() {
      clearTimeout(timer); timer = null;
      if (!writing || !element.isConnected) return;
      const rest = pause() || (replaying ? REPLAY : 0), now = performance.now();
      if (!rest) shown = writing.rows.length;
      else if (shown < writing.rows.length && now - last >= rest - 2) { shown += 1; last = now; }
      if (shown >= writing.rows.length) replaying = false;
      draw();
      if (shown < writing.rows.length) timer = setTimeout(advance, Math.max(0, rest - (performance.now() - last)));
    }
    function stop() {
      clearTimeout(timer); timer = null;
      halted = true; replaying = false;
      if (coming()) { cancelled = true; writing.rows.length = shown; trigger('stop'); }
      draw();
    }
    function take() {
      const value = props.value;
      if (!value || !value.rows || overtaken(value, writing)) return;
      if (!writing || value.run !== writing.run) {
        writing = { ...value, rows: [] };
        start = value.start ? bytesOf(value.start) : null;
        given = value.mask ? bytesOf(value.mask).map((hidden) => !hidden) : null;
        shown = 0; last = 0; halted = cancelled = replaying = waiting = false;
      }
      if (cancelled) return;
      for (const row of value.rows.slice(writing.rows.length)) writing.rows.push({ bytes: bytesOf(row.pixels), unsure: bytesOf(row.bits) });
      if (!timer && !halted) advance();
    }

    button.addEventListener('click', () => {
      shown = 0; last = performance.now(); halted = false; replaying = true;
      advance();
    });
    halt.addEventListener('click', () => {
      if (!waiting) { stop(); return; }
      trigger('stop');
      wait(false);
    });
    speed.addEventListener('input', () => {
      const rest = pause();
      speed.setAttribute('aria-valuetext', rest ? `${(1000 / rest).toFixed(1)} rows a second` : 'as fast as it writes');
      if (writing && timer) advance();
    });
    root.querySelector('[data-action=save]').addEventListener('click', () => {
      if (!writing) return;
      const scale = Math.max(2, Math.min(8, Math.floor(1000 / pictures.width)));
      download(pictures, scale, { ...writing.info, rows: shown }, `${writing.info.model}_${writing.info.seed}.png`);
    });
    onWait(wait);
    changed(' value ', take);
    take();
  }
}

customElements.define('gm-writer', Writer);
