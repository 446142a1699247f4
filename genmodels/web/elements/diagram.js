// The machine of a family as boxes and arrows, drawn the same way for all: {boxes: [{id, text, x, y, kind}], arrows: [[from, to, text]]}
// on a grid whose cells are 1 wide and 1 high. Its parts light up as the demo runs.
const CELL = [132, 64];
const BOX = [96, 38];
let count = 0;

/** An SVG element from a tag, attributes and children. */
export const svg = (tag, attributes, ...children) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

export class Diagram extends HTMLElement {
  /** @type {{boxes: object[], arrows: any[], alt: string}} */ value = null;

  connectedCallback() {
    if (!this.value || this.firstChild) return;
    const { boxes, arrows, alt } = this.value;
    const wide = Math.max(...boxes.map((b) => b.x)) + 1;
    const high = Math.max(...boxes.map((b) => b.y)) + 1;
    const middle = (b) => [(b.x + 0.5) * CELL[0], (b.y + 0.5) * CELL[1]];
    const place = Object.fromEntries(boxes.map((b) => [b.id, b]));
    const id = `gm-head-${++count}`; // another tab's may be hidden, and then draws nothing
    const head = svg(
      'marker',
      { id, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' },
      svg('path', { d: 'M0 0L8 4L0 8z', class: 'gm-arrow-head' }),
    );
    const lines = arrows.map(([from, to, text]) => arrow(id, middle(place[from]), middle(place[to]), text));
    const drawn = boxes.map((b) => {
      const [x, y] = middle(b);
      const words = String(b.text).split('\n');
      const label = svg(
        'text',
        { x, y: y + 4 - (words.length - 1) * 7, 'text-anchor': 'middle' },
        ...words.map((w, i) => svg('tspan', { x, dy: i ? 14 : 0 }, w)),
      );
      return svg(
        'g',
        { class: `gm-box gm-box-${b.kind || 'net'}`, 'data-id': b.id },
        svg('rect', {
          x: x - BOX[0] / 2,
          y: y - BOX[1] / 2,
          width: BOX[0],
          height: BOX[1],
          rx: b.kind === 'data' ? 3 : 9,
        }),
        label,
      );
    });
    this.append(
      svg(
        'svg',
        { viewBox: `0 0 ${wide * CELL[0]} ${high * CELL[1]}`, role: 'img', 'aria-label': alt, class: 'gm-diagram' },
        svg('defs', {}, head),
        ...lines,
        ...drawn,
      ),
    );
    this.querySelector('svg').style.maxWidth = `${wide * CELL[0]}px`;
  }

  /** Lights the parts one after the other; all of them, or those named. */
  light(ids = this.value?.boxes.map((b) => b.id) ?? []) {
    clearTimeout(this.timer);
    const parts = ids.map((id) => this.querySelector(`[data-id="${id}"]`)).filter(Boolean);
    for (const part of parts) part.classList.add('gm-lit');
    this.timer = setTimeout(() => parts.forEach((part) => part.classList.remove('gm-lit')), 450);
  }
}

function arrow(head, [x1, y1], [x2, y2], text) {
  const dx = x2 - x1;
  const dy = y2 - y1;
  const edge = Math.min(dx ? BOX[0] / 2 / Math.abs(dx) : 9, dy ? BOX[1] / 2 / Math.abs(dy) : 9);
  const at = (t) => [x1 + dx * t, y1 + dy * t];
  const [ax, ay] = at(edge);
  const [bx, by] = at(1 - edge);
  const group = svg('g', { class: 'gm-arrow' }, svg('line', { x1: ax, y1: ay, x2: bx, y2: by, 'marker-end': `url(#${head})` }));
  if (text) group.append(svg('text', { x: (ax + bx) / 2, y: (ay + by) / 2 - 5, 'text-anchor': 'middle' }, text));
  return group;
}

customElements.define('gm-diagram', Diagram);
