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
const VALUE = 32; // pixels that a number along an axis needs
const PLAIN = 'var(--gm-muted)'; // the colour of what is no family's
/** Outlines of marks around the origin, of about the same weight as the first one, a circle. */
const MARKS = [
  '',
  'M-4-4H4V4H-4Z',
  'M0-5.2 5 4H-5Z',
  'M0-5.6 5.6 0 0 5.6-5.6 0Z',
  'M0 5.2 5-4H-5Z',
  'M-1.9-5.6H1.9V-1.9H5.6V1.9H1.9V5.6H-1.9V1.9H-5.6V-1.9H-1.9Z',
  'M-5.2-5.4H5.2L2 0 5.2 5.4H-5.2L-2 0Z',
  'M-6 3A6 6 0 0 1 6 3Z',
  'M0-6 1.6-2.1 5.7-1.9 2.5.8 3.5 4.9 0 2.6-3.5 4.9-2.5.8-5.7-1.9-1.6-2.1Z',
  'M-5.3-2.6-2.6-5.3 0-2.7 2.6-5.3 5.3-2.6 2.7 0 5.3 2.6 2.6 5.3 0 2.7-2.6 5.3-5.3 2.6-2.7 0Z',
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

/** The marks of an axis of numbers: of few values that series share, these, from the last one on where they have room; else round steps. */
function steps(values, x) {
  const few = [...new Set(values)].sort((a, b) => b - a);
  if (few.length > 6 || 2 * few.length > values.length) return ticks(x.low, x.high, x.log, x.pixels, 130);
  const kept = [];
  for (const value of few) if (!kept.length || x.at(kept.at(-1)) - x.at(value) >= VALUE) kept.push(value);
  return kept;
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
    const common = this.signs(distinct, plot);
    const panels = plot.panels.map((panel) => {
      const signs = apart ? this.signs(panel.series, plot) : common;
      const drawn = this.panel(plot, panel, signs, wide, few ? high : 240);
      if (apart) drawn.querySelector('svg').before(make('div', { class: 'gm-plot-keys' }, ...keysOf(signs)));
      return drawn;
    });
    const keys = !apart && (plot.kind === 'curves' || !this.options.tall) ? keysOf(common) : [];
    return make(
      'figure',
      { class: 'gm-figure-box' },
      plot.title && !this.options.tall ? make('figcaption', { class: 'gm-view-title', textContent: plot.title }) : null,
      keys.length > 1 ? make('div', { class: 'gm-plot-keys' }, ...keys) : null,
      make('div', { class: 'gm-panels' }, ...panels),
      plot.size ? make('p', { class: 'gm-note', textContent: plot.size }) : null,
    );
  }

  panel(plot, panel, signs, width, tall) {
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
      ...grid(x, y, ax, ay, width, { height, bottom, slanted, values: all.map((p) => p.x) }),
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
    const largest = (series) => Math.max(...series.points.map((p) => p.size ?? 0));
    const covered = plot.size ? [...panel.series].sort((a, b) => largest(b) - largest(a)) : panel.series; // no small point by a large one
    for (const series of covered) {
      const { colour, outline, dash, line } = signs.get(series.name);
      const group = svg('g', { class: 'gm-series', style: colour });
      const among = (panel.series.indexOf(series) + 0.5) / panel.series.length - 0.5;
      const aside = ax.names.length ? 0.72 * slot * among : 0; // series of one word side by side
      if (line)
        group.append(
          svg('polyline', { points: series.points.map((p) => `${x.at(p.x)},${y.at(p.y)}`).join(' '), 'stroke-dasharray': dash }),
        );
      for (const point of series.points) {
        const [px, py] = [x.at(point.x) + aside, y.at(point.y)];
        if (Number.isFinite(point.low) && Number.isFinite(point.high))
          group.append(svg('line', { class: 'gm-interval', x1: px, x2: px, y1: y.at(point.low), y2: y.at(point.high) }));
        const radius = plot.size ? (Number.isFinite(point.size) ? 5 + 13 * Math.sqrt(Math.max(0, point.size)) : 5) : 4.5;
        const circle = mark(px, py, radius, outline, {
          class: 'gm-point',
          tabindex: -1,
          role: this.options.tall ? 'button' : 'img',
          'aria-label': said(point, plot).join(', '),
        });
        points.push({ circle, point, x: px, y: py, radius });
        group.append(circle);
      }
      drawing.append(group);
    }
    if (this.options.tall) labels(drawing, points, panel.lines, y, width, getComputedStyle(this).fontFamily);
    this.listen(points, note, plot, width);
    return box;
  }

  /** How the series of a plot are drawn, by name: {colour, outline, dash, line}, in the key as in every panel. A family's have its
   * colour, all others none's; mark and dashes tell those of one colour apart. Over words no lines help, so all marks differ there. */
  signs(distinct, plot) {
    const families = this.closest('gm-page')?.spec.families ?? {};
    const differ = plot.x.names.length > 0 && distinct.length <= MARKS.length;
    const all = plot.panels.flatMap((panel) => panel.series);
    const joined = (name) => plot.kind === 'curves' && all.some((one) => one.name === name && one.points.length > 1);
    const alike = {};
    return new Map(
      distinct.map(({ name, family }, place) => {
        const colour = `--gm-family: ${family in families ? `var(--gm-${family}, ${PLAIN})` : PLAIN}`;
        const turn = alike[colour] ?? 0;
        alike[colour] = turn + 1;
        const outline = plot.size ? '' : MARKS[(differ ? place : turn) % MARKS.length]; // only a circle shows a size
        return [name, { colour, outline, dash: DASHES[turn % DASHES.length], line: joined(name) }];
      }),
    );
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
    /** Of points that lie on each other the one whose middle is nearest. */
    const aimed = ({ clientX, clientY }, one) => {
      const box = one.circle.ownerSVGElement.getBoundingClientRect();
      const far = ({ x, y }) => Math.hypot(((clientX - box.left) * width) / box.width - x, ((clientY - box.top) * width) / box.width - y);
      return points.filter((other) => far(other) <= other.radius).reduce((a, b) => (far(b) < far(a) ? b : a), one);
    };
    points.forEach((one, i) => {
      const { circle, point } = one;
      let touched = false; // the first touch shows, only another one opens
      circle.addEventListener('pointerenter', (event) => show(aimed(event, one)));
      circle.addEventListener('pointermove', (event) => {
        const found = event.pointerType === 'mouse' && aimed(event, one);
        if (found && !found.circle.classList.contains('gm-shown')) show(found); // not at every move: others fetch pictures for it
      });
      circle.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && document.activeElement !== circle && hide());
      circle.addEventListener(
        'pointerdown',
        (event) => (touched = event.pointerType !== 'mouse' && (note.hidden || note.point !== aimed(event, one).point)),
      );
      circle.addEventListener('focus', () => show(one));
      circle.addEventListener('blur', hide);
      circle.addEventListener('click', (event) => {
        const found = aimed(event, one);
        note.point = found.point;
        if (touched) show(found);
        else open(found.point);
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

/** What says which sign is which series'. */
function keysOf(signs) {
  return [...signs].map(([name, { colour, outline, dash, line }]) => {
    const width = line ? 34 : 14; // of dashes, enough to tell them on either side of the mark
    const drawn = svg('svg', { width, height: 14, 'aria-hidden': true }, mark(width / 2, 7, 4.5, outline, { class: 'gm-point' }));
    if (line) drawn.prepend(svg('line', { x1: 0, x2: width, y1: 7, y2: 7, 'stroke-dasharray': dash }));
    return make('span', { style: colour }, drawn, name);
  });
}

/** A circle, or another mark of about its size. */
function mark(x, y, radius, outline, more) {
  return outline
    ? svg('path', { d: outline, transform: `translate(${x} ${y})`, ...more })
    : svg('circle', { cx: x, cy: y, r: radius, ...more });
}

function grid(x, y, ax, ay, width, { height, bottom, slanted, values }) {
  const right = width - EDGE.right;
  const down = ticks(y.low, y.high, y.log, y.pixels).flatMap((value) => [
    svg('line', { class: 'gm-grid', x1: EDGE.left, x2: right, y1: y.at(value), y2: y.at(value) }),
    svg('text', { x: EDGE.left - 8, y: y.at(value) + 4, 'text-anchor': 'end' }, shown(value)),
  ]);
  const places = ax.names.length ? ax.names.map((_, i) => i) : steps(values, x);
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
function labels(drawing, points, lines, y, width, font) {
  const pen = document.createElement('canvas').getContext('2d');
  pen.font = `12.5px ${font}`;
  const right = width - EDGE.right;
  const taken = [
    // 4 pixels, so that no name stands beside another point than its own
    ...points.map(({ x, y: at, radius: r }) => ({ left: x - r - 4, right: x + r + 4, top: at - r, bottom: at + r })),
    ...lines.map((line) => ({ left: EDGE.left, right, top: y.at(line.y) - 1, bottom: y.at(line.y) + 1 })),
  ];
  const free = (box) =>
    box.left >= EDGE.left &&
    box.right <= width &&
    taken.every((o) => o.right < box.left || o.left > box.right || o.bottom < box.top || o.top > box.bottom);
  const boxes = (text, places) => {
    const long = pen.measureText(text).width + 4;
    return places(long).map(([left, base]) => ({ left, right: left + long, top: base - 11, bottom: base + 3 }));
  };
  const put = (text, box, kind) => {
    taken.push(box);
    drawing.append(svg('text', { class: kind, x: box.left, y: box.bottom - 3 }, text));
  };
  for (const line of lines) {
    const [above, below] = [y.at(line.y) - 6, y.at(line.y) + 15];
    const across = (long) => [0, 0.25, 0.5, 0.75, 1].map((share) => right - long - share * (right - long - EDGE.left));
    const able = boxes(line.title, (long) => [above, below].flatMap((base) => across(long).map((left) => [left, base])));
    put(line.title, able.find(free) ?? able[0], 'gm-line-name');
  }
  const waiting = points.map((one) => ({ text: one.point.label, able: boxes(one.point.label, (long) => around(one, long, width)) }));
  while (waiting.length) {
    // those with the fewest places choose first
    for (const one of waiting) one.able = one.able.filter(free);
    const { text, able } = waiting.sort((a, b) => a.able.length - b.able.length).shift();
    if (able.length) put(text, able[0], 'gm-point-name');
  }
}

/** Where the name of a point may stand, the best places first: [left, base] each. */
function around({ x, y, radius }, long, width) {
  const beside = [0, -radius / 2, radius / 2].map((off) => y + 4 + off);
  const [over, under] = [y - radius - 6, y + radius + 15];
  const across = [x - long / 2, x + radius - long, x - radius, width - long];
  return [
    ...beside.flatMap((base) => [x + radius + 5, x - radius - 5 - long].map((left) => [left, base])),
    ...[over, under, over - 8, under + 8].flatMap((base) => across.map((left) => [left, base])),
  ];
}

customElements.define('gm-plots', Plots);
