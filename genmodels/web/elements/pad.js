// The drawing pad. Its value is {pixels, mask, shape}: base64 of uint8 bytes in height, width, channel order,
// base64 of one byte per pixel (1 = hidden from the model) or "", and [channels, height, width]. Props: background (0 or 255), tools (names; with keep, a slider hides all rows from some row on), centre (shift strokes
// into the middle), strips ([{label, pictures}]).
// Events: "gm-input" while drawing (at most ten a second) and at the end of each stroke, if it changed something; "gm-lifted" then, in
// any case. While the pen is down, `drawing` is true.
import { bytesOf, textOf } from './bytes.js';
import { centring, compose, FINE, INKS, paint, WIDTHS } from './ink.js';
import { imageOf, showPicture } from './picture.js';
import { Piece } from './piece.js';

const FINGERS = matchMedia('(pointer: coarse)'); // what the visitor mostly points with
const START = 10; // pixels that a finger moves sideways before it is taken to draw
let pads = 0; // how many there were, for ids

// The pad itself can be focused by a press (Safari focuses no button), so that Ctrl+Z is heard after one anywhere on it.
const template = (props) => `
<div class="gm-pad" data-compact="${props.compact ?? 'false'}" tabindex="-1">
  <div class="gm-pad-caption">${props.label ?? ''}</div>
  <div class="gm-pad-sheet">
    <canvas class="gm-pad-canvas" width="336" height="336" tabindex="0" role="application" aria-label="${props.label ?? ''}"></canvas>
    <span class="gm-pad-hint" hidden>Tap, then draw</span>
  </div>
  <div class="gm-pad-tools" role="group" aria-label="Drawing tools">
    <div class="gm-seg" data-group="tool" role="radiogroup" aria-label="Tool">
      <button type="button" role="radio" data-value="pen" aria-checked="true" title="Draw">Pen</button>
      <button type="button" role="radio" data-value="erase" aria-checked="false" title="Rub out what is drawn">Eraser</button>
      <button type="button" role="radio" data-value="hide" aria-checked="false" title="Hide a patch from the model; begin on a hidden spot to uncover it">Hide</button>
    </div>
    <div class="gm-seg gm-seg-size" data-group="size" role="radiogroup" aria-label="Brush size">
      <button type="button" role="radio" data-value="0" aria-checked="false" aria-label="Thin" title="Thin"><i></i></button>
      <button type="button" role="radio" data-value="1" aria-checked="true" aria-label="Medium" title="Medium"><i></i></button>
      <button type="button" role="radio" data-value="2" aria-checked="false" aria-label="Thick" title="Thick"><i></i></button>
    </div>
    <div class="gm-seg">
      <button type="button" data-action="undo" title="Undo (Ctrl+Z)">Undo</button>
      <button type="button" data-action="clear" title="Start with an empty picture">Clear</button>
    </div>
  </div>
  <label class="gm-pad-keep" hidden><span>Rows given</span><input type="range" min="0" step="1" aria-label="Rows given, from the top"><output></output></label>
  <div class="gm-pad-colours" role="radiogroup" aria-label="Pen colour"></div>
  <div class="gm-pad-strips"></div>
</div>`;

class Pad extends Piece {
  static template = template;

  mount({ element, props, changed, trigger }) {
    const root = element.querySelector('.gm-pad');
    const canvas = root.querySelector('.gm-pad-canvas');
    const view = canvas.getContext('2d');
    const colours = root.querySelector('.gm-pad-colours');
    const keep = root.querySelector('.gm-pad-keep input');
    const hint = root.querySelector('.gm-pad-hint');
    hint.id = `gm-pad-hint-${++pads}`;

    let channels = 1,
      height = 28,
      width = 28;
    let tool = 'pen',
      size = 1,
      ink = INKS[5];
    let base, hidden; // what lies under the strokes, and the hidden pixels
    let history = []; // {kind: 'load' | 'clear' | 'stroke' | 'hide' | 'keep', …}: everything is redrawn from these
    let stroke = null; // the entry that the pointer is making now
    Object.defineProperty(element, 'drawing', { get: () => stroke !== null, configurable: true });
    let cursor = null; // the keyboard's position, in pixels
    let sent = '',
      timer = null,
      last = 0;

    const shape = () => [channels, height, width];
    const paper = () => Number(props.background) || 0;
    const can = (name) => (props.tools || []).includes(name);
    const layer = document.createElement('canvas');
    const spare = document.createElement('canvas');
    const small = document.createElement('canvas');
    const pen = layer.getContext('2d', { willReadFrequently: true });

    function resize(to) {
      [channels, height, width] = to;
      for (const c of [layer, spare]) {
        c.width = width * FINE;
        c.height = height * FINE;
      }
      small.width = width;
      small.height = height;
      canvas.width = width * 12;
      canvas.height = height * 12;
    }

    // How many rows a new picture has given: as many as the last one.
    const kept = () => (can('keep') ? Number(keep.value) : height);

    function cover(entry) {
      for (const cell of entry.cells) hidden[cell] = entry.on ? 1 : 0;
    }

    // The mask that hides everything from row `first` on.
    function rowsFrom(first) {
      return new Uint8Array(width * height).fill(1, Math.min(height, first) * width);
    }
    // How many rows at the top are given: what the slider says, or would say.
    function rowsGiven() {
      const first = hidden.indexOf(1);
      return first < 0 ? height : Math.floor(first / width);
    }

    /** Where the picture that is on the pad begins in the history; -1 if the pad began empty. */
    const beginning = () => history.findLastIndex((e) => e.kind === 'load' || e.kind === 'clear');
    /** These entries and the one that the pointer is making. */
    const withStroke = (entries) => (stroke ? [...entries, stroke] : entries);

    function rebuild() {
      pen.clearRect(0, 0, layer.width, layer.height);
      base = new Uint8Array(width * height * channels).fill(paper());
      hidden = rowsFrom(height);
      for (const entry of withStroke(history.slice(Math.max(0, beginning())))) {
        if (entry.kind === 'load') {
          base = entry.pixels.slice();
          hidden = entry.mask.slice();
        } else if (entry.kind === 'clear') hidden = rowsFrom(entry.rows);
        else if (entry.kind === 'stroke') paint(pen, entry);
        else if (entry.kind === 'hide') cover(entry);
        else if (entry.kind === 'keep') hidden = entry.mask.slice();
      }
      show();
    }

    // Digits of the training set lie in a box of 20 pixels, their centre of mass in the middle: a drawing made of
    // strokes alone is brought there, with the same pen, before the model sees it. Examples and uploads stay put.
    function centred() {
      const start = beginning();
      const plain = start < 0 || history[start].kind === 'clear' || history[start].blank;
      const entries = withStroke(history.slice(start + 1));
      if (!props.centre || !plain || !entries.some((e) => e.kind === 'stroke')) return null;
      const place = centring(compose(pen, base, shape()), shape(), paper());
      if (!place) return null;
      const context = spare.getContext('2d', { willReadFrequently: true });
      context.clearRect(0, 0, spare.width, spare.height);
      for (const entry of entries) if (entry.kind === 'stroke') paint(context, entry, place);
      const mask = new Uint8Array(width * height);
      for (let i = 0; i < hidden.length; i++)
        if (hidden[i]) {
          const [x, y] = place([(i % width) + 0.5, Math.floor(i / width) + 0.5]).map(Math.floor);
          if (x >= 0 && y >= 0 && x < width && y < height) mask[y * width + x] = 1;
        }
      return { pixels: compose(context, base, shape()), mask };
    }

    function show() {
      small.getContext('2d').putImageData(imageOf(compose(pen, base, shape()), shape()), 0, 0);
      const s = canvas.width / width;
      view.imageSmoothingEnabled = false;
      view.drawImage(small, 0, 0, canvas.width, canvas.height);
      for (let i = 0; i < hidden.length; i++)
        if (hidden[i]) {
          const x = i % width,
            y = Math.floor(i / width);
          view.fillStyle = (x + y) % 2 ? '#8d8d94' : '#7b7b83';
          view.fillRect(x * s, y * s, s, s);
        }
      sayKept();
      if (cursor) {
        view.lineWidth = 2;
        view.strokeStyle = '#f59e0b';
        view.strokeRect(cursor[0] * s + 1, cursor[1] * s + 1, s - 2, s - 2);
      }
    }

    function sayKept() {
      const rows = rowsGiven();
      keep.max = height;
      keep.value = rows;
      root.querySelector('.gm-pad-keep output').textContent = `${rows} of ${height}`;
    }
    keep.addEventListener('input', () => {
      const mask = rowsFrom(Number(keep.value));
      const last = history[history.length - 1];
      if (last && last.kind === 'keep') history.pop(); // a drag is one step
      history.push({ kind: 'keep', mask });
      rebuild();
      sendSoon();
    });

    function send() {
      clearTimeout(timer);
      timer = null;
      last = performance.now();
      const seen = centred() || { pixels: compose(pen, base, shape()), mask: hidden };
      const value = {
        pixels: textOf(seen.pixels),
        mask: seen.mask.some(Boolean) ? textOf(seen.mask) : '',
        shape: [channels, height, width],
      };
      const text = JSON.stringify(value);
      if (text === sent) return;
      sent = text;
      props.value = value;
      trigger('input');
    }
    function sendSoon() {
      if (!timer) timer = setTimeout(send, Math.max(0, 100 - (performance.now() - last)));
    }

    function load(picture, tell) {
      const same = picture.shape.join() === [channels, height, width].join();
      if (!same || !base) {
        resize(picture.shape);
        history = [];
      }
      const pixels = bytesOf(picture.pixels),
        mask = picture.mask ? bytesOf(picture.mask) : rowsFrom(tell ? kept() : height);
      history.push({ kind: 'load', pixels, mask, blank: pixels.every((v) => v === paper()) });
      if (history.length > 200) history.splice(0, history.length - 1);
      rebuild();
      if (tell) send();
      else sent = JSON.stringify(picture);
    }

    // ---- tools -------------------------------------------------------------------------------------------------------
    function choose(group, button) {
      for (const b of group.querySelectorAll('[role=radio]')) {
        b.setAttribute('aria-checked', b === button);
        b.tabIndex = b === button ? 0 : -1;
      }
    }
    function tools() {
      root.dataset.tools = (props.tools || []).join(' ');
      for (const b of root.querySelectorAll('[data-group=tool] button')) b.hidden = !can(b.dataset.value);
      root.querySelector('.gm-pad-keep').hidden = !can('keep');
      if (!can(tool)) tool = 'pen';
      invite();
      for (const g of root.querySelectorAll('.gm-seg[role=radiogroup]')) {
        choose(
          g,
          [...g.children].find((b) => b.dataset.value === String(g.dataset.group === 'tool' ? tool : size)),
        );
      }
      colours.replaceChildren();
      colours.hidden = channels !== 3 || !can('pen');
      if (colours.hidden) return;
      for (const value of INKS) {
        const b = document.createElement('button');
        b.type = 'button';
        b.setAttribute('role', 'radio');
        b.setAttribute('aria-label', value);
        b.dataset.ink = value;
        b.style.background = value;
        colours.append(b);
      }
      const any = document.createElement('input');
      any.type = 'color';
      any.value = ink;
      any.setAttribute('aria-label', 'Any colour');
      any.title = 'Any colour';
      any.oninput = () => {
        ink = any.value;
        choose(colours, null);
      };
      colours.append(any);
      choose(colours, colours.querySelector(`[data-ink="${ink}"]`) || colours.firstChild);
    }

    root.addEventListener('click', (event) => {
      const b = event.target.closest('button');
      if (!b) return;
      const group = b.closest('[role=radiogroup]');
      if (b.dataset.ink) {
        ink = b.dataset.ink;
        tool = 'pen';
        choose(group, b);
        tools();
      } else if (group) {
        if (group.dataset.group === 'tool') tool = b.dataset.value;
        else size = Number(b.dataset.value);
        choose(group, b);
      } else if (b.dataset.action === 'undo') undo();
      else if (b.dataset.action === 'clear') {
        history.push({ kind: 'clear', rows: kept() });
        mark(null);
        rebuild();
        send();
      }
    });
    root.addEventListener('keydown', (event) => {
      const group = event.target.closest('[role=radiogroup]');
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!group || !step || event.target.matches('input')) return;
      const all = [...group.querySelectorAll('[role=radio]')].filter((b) => !b.hidden);
      const next = all[(all.indexOf(event.target) + step + all.length) % all.length];
      event.preventDefault();
      next.focus();
      next.click();
    });
    root.addEventListener('keydown', (event) => {
      if (event.key.toLowerCase() !== 'z' || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
      event.preventDefault();
      undo();
    });
    function undo() {
      if (history.length > 1 || (history.length && history[0].kind !== 'load')) history.pop();
      mark(null);
      rebuild();
      send();
    }

    // ---- touch: the first tap arms the pad, one elsewhere lets go of it ----
    // So does a finger that starts sideways: the page doesn't scroll that way, so it must mean to draw. One that starts up or
    // down can't be told from one that scrolls; the hint says what to do.
    let armed = false;
    let resting = null; // the event by which a finger came down on the pad while it wasn't armed
    function arm(on) {
      armed = on;
      root.dataset.armed = on;
      invite();
    }
    // What the finger has to do first, over the picture; the words describe the canvas to those who come to it by ear, and
    // nothing is announced when they come back.
    function invite() {
      hint.hidden = armed || !FINGERS.matches || !can('pen');
      if (hint.hidden) canvas.removeAttribute('aria-describedby');
      else canvas.setAttribute('aria-describedby', hint.id);
    }
    function isSideways(event) {
      const x = Math.abs(event.clientX - resting.clientX);
      return x >= START && x > Math.abs(event.clientY - resting.clientY);
    }
    FINGERS.addEventListener('change', invite);
    canvas.addEventListener('click', () => arm(true));
    document.addEventListener('pointerdown', (event) => {
      if (armed && !root.contains(event.target)) arm(false);
    });

    // ---- drawing -----------------------------------------------------------------------------------------------------
    function begin(point) {
      const wide = WIDTHS[tool][channels][size];
      if (tool === 'hide') {
        const [x, y] = point.map(Math.floor);
        stroke = { kind: 'hide', on: !hidden[y * width + x], cells: new Set(), width: wide };
      } else {
        const grey = tool === 'erase' ? paper() : 255 - paper();
        stroke = {
          kind: 'stroke',
          width: wide,
          points: [],
          colour: tool === 'erase' || channels === 1 ? `rgb(${grey},${grey},${grey})` : ink,
        };
      }
      mark(null);
      extend([point]);
    }
    function extend(points) {
      for (const [x, y] of points) {
        if (stroke.kind === 'stroke') {
          stroke.points.push([x, y]);
          paint(pen, stroke, undefined, stroke.points.length - 1);
          continue;
        }
        const x0 = Math.round(x - stroke.width / 2),
          y0 = Math.round(y - stroke.width / 2);
        for (let j = Math.max(0, y0); j < Math.min(height, y0 + stroke.width); j++)
          for (let i = Math.max(0, x0); i < Math.min(width, x0 + stroke.width); i++) stroke.cells.add(j * width + i);
      }
      if (stroke.kind === 'hide') cover(stroke);
      requestAnimationFrame(show);
      sendSoon();
    }
    function finish() {
      if (!stroke) return;
      history.push(stroke);
      stroke = null;
      send();
      element.dispatchEvent(new Event('gm-lifted'));
    }
    function pointOf(event) {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
    }
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || stroke || !can('pen')) return;
      if (event.pointerType === 'touch' && !armed) {
        resting = event; // a finger that scrolls past draws nothing
        return;
      }
      event.preventDefault();
      press(event);
    });
    function press(event) {
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      cursor = null;
      begin(pointOf(event));
    }
    canvas.addEventListener('pointermove', (event) => {
      if (resting?.pointerId === event.pointerId && isSideways(event)) {
        arm(true);
        press(resting);
        resting = null;
      }
      if (!stroke || !canvas.hasPointerCapture(event.pointerId)) return;
      const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      extend((all.length ? all : [event]).map(pointOf));
    });
    for (const end of ['pointerup', 'pointercancel'])
      canvas.addEventListener(end, () => {
        resting = null;
        finish();
      });
    canvas.addEventListener('keydown', (event) => {
      const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (!can('pen') || (!step && event.key !== ' ')) return;
      event.preventDefault();
      if (!cursor) cursor = [Math.floor(width / 2), Math.floor(height / 2)];
      else if (step)
        cursor = [Math.min(width - 1, Math.max(0, cursor[0] + step[0])), Math.min(height - 1, Math.max(0, cursor[1] + step[1]))];
      if (event.key === ' ') {
        begin(cursor.map((v) => v + 0.5));
        finish();
      }
      show();
    });
    canvas.addEventListener('blur', () => {
      if (cursor) {
        cursor = null;
        show();
      }
    });

    // ---- examples ----------------------------------------------------------------------------------------------------
    function mark(button) {
      for (const b of root.querySelectorAll('.gm-thumb')) b.setAttribute('aria-pressed', b === button);
    }
    function strips() {
      const box = root.querySelector('.gm-pad-strips');
      box.replaceChildren();
      for (const strip of props.strips || []) {
        const title = document.createElement('div'),
          list = document.createElement('div');
        title.className = 'gm-strip-title';
        title.textContent = strip.label;
        list.className = 'gm-strip';
        list.setAttribute('role', 'group');
        list.setAttribute('aria-label', strip.label);
        for (const picture of strip.pictures) {
          const b = document.createElement('button'),
            c = document.createElement('canvas');
          b.type = 'button';
          b.className = 'gm-thumb';
          b.title = picture.label;
          b.setAttribute('aria-label', picture.label);
          showPicture(c, picture);
          b.append(c);
          b.onclick = () => {
            load(picture, true);
            mark(b);
          };
          list.append(b);
        }
        box.append(title, list);
      }
    }
    function markSame() {
      const now = props.value?.pixels,
        pictures = (props.strips || []).flatMap((s) => s.pictures);
      mark([...root.querySelectorAll('.gm-thumb')][pictures.findIndex((p) => p.pixels === now)] || null);
    }

    function take() {
      if (props.value?.shape && JSON.stringify(props.value) !== sent) {
        load(props.value, false);
        tools();
        markSame();
      }
    }
    changed(' value ', take);
    changed(' strips ', () => {
      history.splice(0, Math.max(0, beginning())); // another model: nothing before the picture on the pad can be undone
      strips();
      markSame();
    });
    changed('tools background', () => {
      tools();
      if (base) rebuild();
    });

    resize([1, 28, 28]);
    history.push({ kind: 'clear', rows: height });
    rebuild();
    tools();
    strips();
    take();
  }
}

customElements.define('gm-pad', Pad);
