// Plots as wrappers/plots.py makes them, one or several: points or curves on plain or logarithmic axes, a panel for each facet, a
// family's series in its colour. A point is reached by pointer, touch and keys, and says what it is: "gm-point" {point, note} lets
// others add to that, "gm-open" {point} follows a press.
import { make } from './controls.js';
import { svg } from './diagram.js';
import { View } from './views.js';

const EDGE = { left: 58, right: 16, top: 14, bottom: 44 };
const [NARROW, GAP] = [280, 24]; // the least width of one panel of several, and what is between two
const DASHES = ['', '6 4', '2 3', '9 3 2 3'];
const LETTER = 6.2; // pixels of the names along an axis, on average
/** What tells the series of an axis of words apart: outlines of marks around the origin, of about the same weight. */
const MARKS = [
  '',
  'M-4-4H4V4H-4Z',
  'M0-5.2 5 4H-5Z',
  'M0-5.6 5.6 0 0 5.6-5.6 0Z',
  'M0 5.2 5-4H-5Z',
  'M-1.6-5H1.6V-1.6H5V1.6H1.6V5H-1.6V1.6H-5V-1.6H-1.6Z',
  'M-5-4H5L-5 4H5Z',
  'M-5.5 2.5A5.5 5.5 0 0 1 5.5 2.5Z',
];

/** Where the marks of an axis stand: powers of ten, with 2 and 5 between them where these have room, in pixels; else round steps. */
export function ticks(low, high, log, pixels = 400, room = 70) {
  const all = [];
  if (log) {
    const wide = pixels / Math.log10(high / low) < room;
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
      for (const step of wide ? [1] : [1, 2, 5]) all.push(step * 10 ** power);
  } else {
    const rough = (high - low) / 5 || 1;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * ([1, 2, 5].find((times) => times * unit >= rough) ?? 10);
    for (let i = Math.ceil(low / step); i <= Math.floor(high / step + 1e-9); i++) all.push(i * step);
  }
  return all.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)).map((value) => Number(value.toPrecision(12)));
}

/** From data to the page: {at(value), low, high, log}. */
function scale(values, log, from, to) {
  const known = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  let [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [1, 10];
  if (log) [low, high] = [low / 1.35, high * 1.35];
  else [low, high] = [low - 0.06 * (high - low || 1), high + 0.06 * (high - low || 1)];
  const of = log ? Math.log10 : (value) => value;
  return {
    low,
    high,
    log,
    pixels: Math.abs(to - from),
    at: (value) => from + ((of(Math.max(value, log ? low : value)) - of(low)) / (of(high) - of(low))) * (to - from),
  };
}

class Plots extends View {
  layOut() {
    this.box = make('div', { class: 'gm-plots' });
    this.append(this.box);
    new ResizeObserver(() => this.width !== this.clientWidth && this.drawn && this.draw()).observe(this);
  }

  show(value) {
    if (!value) return;
    this.drawn = [value].flat();
    this.hidden = !this.drawn.some((plot) => plot.panels.some((panel) => panel.series.length));
    this.draw();
    this.classList.add('gm-filled');
  }

  draw() {
    this.width = this.clientWidth;
    this.box.replaceChildren(...this.drawn.map((plot) => this.figure(plot)));
  }

  figure(plot) {
    const few = plot.panels.length < 2;
    const across = Math.max(1, Math.min(plot.panels.length, Math.floor((this.width + GAP) / (NARROW + GAP))));
    const wide = (this.width - GAP * (across - 1)) / across;
    const high = this.options.tall ? Math.max(320, Math.min(460, 0.6 * wide)) : 260;
    const distinct = plot.panels
      .flatMap((panel) => panel.series)
      .filter(({ name }, i, all) => all.findIndex((one) => one.name === name) === i);
    // curves of which each panel has its own are told apart there
    const apart = !few && !plot.x.names.length && distinct.length === plot.panels.flatMap((panel) => panel.series).length;
    const keysOf = (all) => all.map((one) => this.key(one, all, plot));
    const panels = plot.panels.map((panel) => {
      const drawn = this.panel(plot, panel, apart ? panel.series : distinct, wide, few ? high : 240);
      if (apart) drawn.querySelector('svg').before(make('div', { class: 'gm-plot-keys' }, ...keysOf(panel.series)));
      return drawn;
    });
    const keys = !apart && (plot.kind === 'curves' || !this.options.tall) ? keysOf(distinct) : [];
    return make(
      'figure',
      { class: 'gm-figure-box' },
      plot.title && !this.options.tall ? make('figcaption', { class: 'gm-view-title', textContent: plot.title }) : null,
      keys.length > 1 ? make('div', { class: 'gm-plot-keys' }, ...keys) : null,
      make('div', { class: 'gm-panels' }, ...panels),
      plot.size ? make('p', { class: 'gm-note', textContent: plot.size }) : null,
    );
  }

  panel(plot, panel, distinct, width, tall) {
    const all = plot.panels.flatMap((one) => one.series).flatMap((one) => one.points);
    const { x: ax, y: ay } = plot;
    const x = scale(ax.names.length ? [-0.5, ax.names.length - 0.5] : all.map((p) => p.x), ax.log, EDGE.left, width - EDGE.right);
    const levels = [...all.flatMap((p) => [p.y, p.low ?? p.y, p.high ?? p.y]), ...panel.lines.map((line) => line.y)];
    const slot = (width - EDGE.left - EDGE.right) / ax.names.length;
    const slanted = ax.names.some((name) => LETTER * name.length > slot - 6);
    const bottom = tall - EDGE.bottom;
    const height = tall + (slanted ? Math.max(...ax.names.map((name) => LETTER * name.length)) * Math.SQRT1_2 - 6 : 0);
    const y = scale(levels, ay.log, bottom, EDGE.top);
    const drawing = svg(
      'svg',
      {
        viewBox: `0 0 ${width} ${height}`,
        width,
        height,
        role: 'group',
        'aria-label': [plot.title, panel.title, `${ay.title} against ${ax.title}`].filter(Boolean).join(', '),
      },
      ...grid(x, y, ax, ay, width, { height, bottom, slanted }),
      ...panel.lines.map((line) => level(line, y, width)),
    );
    const note = make('div', { class: 'gm-point-note', hidden: true });
    const box = make(
      'div',
      { class: 'gm-panel-plot', style: `max-width: ${width}px` },
      panel.title ? make('h3', { textContent: panel.title }) : null,
      drawing,
      note,
    );
    const points = [];
    for (const series of panel.series) {
      const group = svg('g', { class: 'gm-series', style: this.colour(series, distinct) });
      const dash = dashOf(series, distinct);
      const place = markOf(series, distinct, plot);
      const among = (panel.series.indexOf(series) + 0.5) / panel.series.length - 0.5;
      const aside = ax.names.length ? 0.72 * slot * among : 0; // series of one word side by side
      if (plot.kind === 'curves')
        group.append(
          svg('polyline', { points: series.points.map((p) => `${x.at(p.x)},${y.at(p.y)}`).join(' '), 'stroke-dasharray': dash }),
        );
      for (const point of series.points) {
        const [px, py] = [x.at(point.x) + aside, y.at(point.y)];
        const style = point.family ? this.colour(point, distinct) : null;
        if (Number.isFinite(point.low) && Number.isFinite(point.high))
          group.append(svg('line', { class: 'gm-interval', style, x1: px, x2: px, y1: y.at(point.low), y2: y.at(point.high) }));
        const radius = plot.size ? (Number.isFinite(point.size) ? 5 + 13 * Math.sqrt(Math.max(0, point.size)) : 5) : 4.5;
        const circle = mark(px, py, radius, place, {
          class: 'gm-point',
          style,
          tabindex: -1,
          role: this.options.tall ? 'button' : 'img',
          'aria-label': said(point, plot).join(', '),
        });
        points.push({ circle, point, x: px, y: py, radius });
        group.append(circle);
      }
      drawing.append(group);
    }
    if (this.options.tall) labels(drawing, points, panel.lines, y, width);
    this.listen(points, note, plot, width);
    return box;
  }

  /** The style of a family's colour; of what is no family's, by the place of its series. */
  colour({ name, family }, distinct) {
    const place = distinct.findIndex((one) => one.name === name);
    const plain = PLAIN[Math.max(place, 0) % PLAIN.length];
    return `--gm-family: ${family in (this.closest('gm-page')?.spec.families ?? {}) ? `var(--gm-${family}, ${plain})` : plain}`;
  }

  key(series, distinct, plot) {
    const place = markOf(series, distinct, plot);
    const words = plot.x.names.length;
    const line =
      words || place
        ? mark(11, 6, 4.5, place, { class: 'gm-point' })
        : svg('line', { x1: 0, x2: 22, y1: 5, y2: 5, 'stroke-dasharray': dashOf(series, distinct) });
    const style = words ? `--gm-family: ${PLAIN[0]}` : this.colour(series, distinct);
    return make('span', { style }, svg('svg', { width: 22, height: 12, 'aria-hidden': true }, line), series.name);
  }

  /** One stop for Tab; the arrow keys go from point to point, from left to right. */
  listen(points, note, plot, width) {
    points.sort((a, b) => a.x - b.x || a.y - b.y);
    points[0]?.circle.setAttribute('tabindex', 0);
    const open = (point) => this.dispatchEvent(new CustomEvent('gm-open', { bubbles: true, detail: { point } }));
    const show = ({ circle, point, x, y, radius }) => {
      for (const one of points) one.circle.classList.toggle('gm-shown', one.circle === circle);
      note.replaceChildren(...said(point, plot).map((line, i) => make(i ? 'span' : 'b', { textContent: line })));
      note.hidden = false;
      this.dispatchEvent(new CustomEvent('gm-point', { bubbles: true, detail: { point, note } }));
      const { offsetWidth, offsetHeight } = note;
      note.style.left = `${Math.max(0, Math.min(width - offsetWidth, x > width / 2 ? x - radius - 10 - offsetWidth : x + radius + 10))}px`;
      note.style.top = `${Math.max(0, y - offsetHeight / 2)}px`;
    };
    const hide = () => {
      note.hidden = true;
      note.point = null;
      for (const one of points) one.circle.classList.remove('gm-shown');
    };
    points.forEach((one, i) => {
      const { circle, point } = one;
      let touched = false; // the first touch shows, only another one opens
      circle.addEventListener('pointerenter', () => show(one));
      circle.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && document.activeElement !== circle && hide());
      circle.addEventListener('pointerdown', (event) => (touched = event.pointerType !== 'mouse' && (note.hidden || note.point !== point)));
      circle.addEventListener('focus', () => show(one));
      circle.addEventListener('blur', hide);
      circle.addEventListener('click', () => {
        note.point = point;
        if (touched) show(one);
        else open(point);
      });
      circle.addEventListener('keydown', (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (event.key === 'Escape') hide();
        else if (event.key === 'Enter' || event.key === ' ') open(point);
        else if (!step) return;
        event.preventDefault();
        if (!step) return;
        const next = points[(i + step + points.length) % points.length].circle;
        circle.setAttribute('tabindex', -1);
        next.setAttribute('tabindex', 0);
        next.focus();
      });
    });
  }
}

const shown = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));

function said(point, plot) {
  const x = plot.x.names[point.x] ?? shown(point.x);
  const around = Number.isFinite(point.low) ? ` (${shown(point.low)}–${shown(point.high)})` : '';
  return [point.label, ...(point.lines ?? [`${plot.x.title}: ${x}`, `${plot.y.title}: ${shown(point.y)}${around}`])];
}

const PLAIN = ['var(--gm-muted)', 'var(--gm-accent)'];
/** Series of one colour are told apart by their dashes, by name: the same in the key and in every panel. */
function dashOf({ name }, distinct) {
  const named = distinct.find((one) => one.name === name);
  return DASHES[distinct.filter((one) => one.family === named.family).indexOf(named) % DASHES.length];
}

/** Which mark the points of a series have: its own on an axis of words; a circle on curves, but for those of a single point, which
 * no dashes tell from others of their family. */
function markOf({ name }, distinct, plot) {
  const named = distinct.find((one) => one.name === name);
  if (plot.x.names.length) return distinct.indexOf(named);
  if (plot.kind !== 'curves' || named.points.length > 1) return 0;
  return 1 + distinct.filter((one) => one.points.length < 2 && one.family === named.family).indexOf(named);
}

/** A circle, or another mark of about its size. */
function mark(x, y, radius, place, more) {
  const outline = MARKS[place % MARKS.length];
  return outline
    ? svg('path', { d: outline, transform: `translate(${x} ${y})`, ...more })
    : svg('circle', { cx: x, cy: y, r: radius, ...more });
}

function grid(x, y, ax, ay, width, { height, bottom, slanted }) {
  const right = width - EDGE.right;
  const down = ticks(y.low, y.high, y.log, y.pixels).flatMap((value) => [
    svg('line', { class: 'gm-grid', x1: EDGE.left, x2: right, y1: y.at(value), y2: y.at(value) }),
    svg('text', { x: EDGE.left - 8, y: y.at(value) + 4, 'text-anchor': 'end' }, shown(value)),
  ]);
  const places = ax.names.length ? ax.names.map((_, i) => i) : ticks(x.low, x.high, x.log, x.pixels, 130);
  const across = places.flatMap((value) => [
    svg('line', { class: 'gm-grid', x1: x.at(value), x2: x.at(value), y1: EDGE.top, y2: bottom }),
    slanted
      ? svg('text', { transform: `translate(${x.at(value) + 4} ${bottom + 14}) rotate(-45)`, 'text-anchor': 'end' }, ax.names[value])
      : svg('text', { x: x.at(value), y: bottom + 17, 'text-anchor': 'middle' }, ax.names[value] ?? shown(value)),
  ]);
  return [
    ...down,
    ...across,
    svg('text', { class: 'gm-axis', x: (EDGE.left + right) / 2, y: height - 6, 'text-anchor': 'middle' }, ax.title),
    svg('text', { class: 'gm-axis', transform: `translate(13 ${(EDGE.top + bottom) / 2}) rotate(-90)`, 'text-anchor': 'middle' }, ay.title),
  ];
}

function level({ y: value }, y, width) {
  return svg('line', { class: 'gm-line', x1: EDGE.left, x2: width - EDGE.right, y1: y.at(value), y2: y.at(value) });
}

/** Names beside points and lines, wherever they cover nothing else; a point's is left out where there is no room. */
function labels(drawing, points, lines, y, width) {
  const taken = points.map(({ x, y, radius }) => ({ left: x - radius, right: x + radius, top: y - radius, bottom: y + radius }));
  const free = (box) =>
    box.left >= EDGE.left &&
    box.right <= width &&
    taken.every((o) => o.right < box.left || o.left > box.right || o.bottom < box.top || o.top > box.bottom);
  const put = (text, places, kind, always) => {
    const long = 6.9 * text.length;
    const boxes = places(long).map(([left, base]) => ({ left, right: left + long, top: base - 11, bottom: base + 3 }));
    const box = boxes.find(free) ?? (always ? boxes[0] : null);
    if (!box) return;
    taken.push(box);
    drawing.append(svg('text', { class: kind, x: box.left, y: box.bottom - 3 }, text));
  };
  const right = width - EDGE.right;
  for (const line of lines) {
    const [above, below] = [y.at(line.y) - 6, y.at(line.y) + 15];
    const across = (long) => [0, 0.25, 0.5, 0.75, 1].map((share) => right - long - share * (right - long - EDGE.left));
    put(line.title, (long) => [above, below].flatMap((base) => across(long).map((left) => [left, base])), 'gm-line-name', true);
  }
  for (const { point, x, y: middle, radius } of points) {
    const [over, under] = [middle - radius - 6, middle + radius + 15];
    const places = (long) => [
      [x + radius + 5, middle + 4],
      [x - radius - 5 - long, middle + 4],
      ...[over, under].flatMap((base) => [x - long / 2, x + radius - long, x - radius].map((left) => [left, base])),
    ];
    put(point.label, places, 'gm-point-name', false);
  }
}

customElements.define('gm-plots', Plots);
