// The machine of a family as boxes and arrows, drawn the same way for all: {boxes: [{id, text, x, y, kind}], arrows: [[from, to, text]]}
// on a grid whose cells are 1 wide and 1 high. Its parts light up as the demo runs. With `compact`, and on a phone, it is drawn for a card:
// columns as narrow as their words, which are broken into lines.
const CELL = [132, 64];
const BOX = [96, 38];
const LETTER = 5.8; // pixels of a letter in a compact box
const GAP = 15;
const PHONE = '(max-width: 620px)'; // where the words of a diagram that isn't compact would be too small to read
let count = 0;

/** An SVG element from a tag, attributes and children. */
export const svg = (tag, attributes, ...children) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

class Diagram extends HTMLElement {
  /** @type {{boxes: object[], arrows: any[], alt: string}} */ value = null;
  compact = false;

  connectedCallback() {
    if (!this.value || this.firstChild) return;
    const phone = matchMedia(PHONE);
    phone.addEventListener('change', () => this.draw(phone.matches));
    this.draw(phone.matches);
  }

  draw(narrow) {
    const { boxes, arrows, alt } = this.value;
    const dense = this.compact || narrow;
    const { size, middle, wordsOf, box } = dense ? compact(boxes) : spacious(boxes);
    const place = Object.fromEntries(boxes.map((b) => [b.id, b]));
    const id = `gm-head-${++count}`; // another tab's may be hidden, and then draws nothing
    const head = svg(
      'marker',
      { id, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' },
      svg('path', { d: 'M0 0L8 4L0 8z', class: 'gm-arrow-head' }),
    );
    const lines = arrows.map(([from, to, text]) => arrow(id, [place[from], place[to]], middle, box, dense ? '' : text));
    const drawn = boxes.map((b) => {
      const [x, y] = middle(b);
      const [width, height] = box(b);
      const words = wordsOf(b);
      const label = svg(
        'text',
        { x, y: y + 4 - (words.length - 1) * 7, 'text-anchor': 'middle' },
        ...words.map((w, i) => svg('tspan', { x, dy: i ? 14 : 0 }, w)),
      );
      return svg(
        'g',
        { class: `gm-box gm-box-${b.kind || 'net'}`, 'data-id': b.id },
        svg('rect', {
          x: x - width / 2,
          y: y - height / 2,
          width,
          height,
          rx: b.kind === 'data' ? 3 : 9,
        }),
        label,
      );
    });
    this.replaceChildren(
      svg(
        'svg',
        { viewBox: `0 0 ${size.join(' ')}`, role: 'img', 'aria-label': alt, class: `gm-diagram${dense ? ' gm-dense' : ''}` },
        svg('defs', {}, head),
        ...lines,
        ...drawn,
      ),
    );
    this.querySelector('svg').style.maxWidth = `${size[0]}px`;
  }

  /** Lights the parts one after the other; all of them, or those named. */
  light(ids = this.value?.boxes.map((b) => b.id) ?? []) {
    clearTimeout(this.timer);
    const parts = ids.map((id) => this.querySelector(`[data-id="${id}"]`)).filter(Boolean);
    for (const part of parts) part.classList.add('gm-lit');
    this.timer = setTimeout(() => parts.forEach((part) => part.classList.remove('gm-lit')), 450);
  }
}

// -- where the boxes lie: size of the whole, the middle of a box, its own size, its lines of words ------------------------

const most = (boxes, key) => Math.max(...boxes.map((b) => b[key])) + 1;

function spacious(boxes) {
  return {
    size: [most(boxes, 'x') * CELL[0], most(boxes, 'y') * CELL[1]],
    middle: (b) => [(b.x + 0.5) * CELL[0], (b.y + 0.5) * CELL[1]],
    box: () => BOX,
    wordsOf: (b) => String(b.text).split('\n'),
  };
}

function compact(boxes) {
  const wordsOf = (b) => String(b.text).split('\n').flatMap(wrapped);
  const longest = (b) => Math.max(...wordsOf(b).map((line) => line.length));
  const height = (b) => 12 + 13 * wordsOf(b).length;
  const columns = Array.from({ length: most(boxes, 'x') }, (_, x) => boxes.filter((b) => b.x === x));
  const widths = columns.map((column) => 14 + LETTER * Math.max(3, ...column.map(longest)));
  const starts = widths.map((_, x) => 1 + x * GAP + widths.slice(0, x).reduce((sum, w) => sum + w, 0));
  const tall = Math.max(...boxes.map(height));
  const step = tall + GAP;
  return {
    size: [starts.at(-1) + widths.at(-1) + 1, most(boxes, 'y') * step - GAP + 2],
    middle: (b) => [starts[b.x] + widths[b.x] / 2, b.y * step + tall / 2 + 1],
    box: (b) => [widths[b.x], height(b)],
    wordsOf,
  };
}

/** A line of words as lines of at most nine letters, where its words allow it. */
function wrapped(line) {
  const lines = [''];
  for (const word of line.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length <= 9 || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function arrow(head, ends, middle, box, text) {
  const [[x1, y1], [x2, y2]] = ends.map(middle);
  const dx = x2 - x1;
  const dy = y2 - y1;
  const [from, to] = ends.map(box).map(([w, h]) => Math.min(dx ? w / 2 / Math.abs(dx) : 9, dy ? h / 2 / Math.abs(dy) : 9));
  const at = (t) => [x1 + dx * t, y1 + dy * t];
  const [ax, ay] = at(from);
  const [bx, by] = at(1 - to);
  const group = svg('g', { class: 'gm-arrow' }, svg('line', { x1: ax, y1: ay, x2: bx, y2: by, 'marker-end': `url(#${head})` }));
  if (text) group.append(svg('text', { x: (ax + bx) / 2, y: (ay + by) / 2 - 5, 'text-anchor': 'middle' }, text));
  return group;
}

customElements.define('gm-diagram', Diagram);
