// Buttons over the pictures of a canvas, by which one is taken to the pad: pressed, or reached by the arrow keys and Enter.
import { make } from './controls.js';
import { pictureAt } from './picture.js';
import { roving } from './roving.js';

class Takes extends HTMLElement {
  /**
   * @param {number[][]} places [left, top] of each picture, in points of the canvas @param {number[]} size [width, height] of each
   * target @param {(i: number) => object} picture the i-th as the pads speak: {pixels, shape}
   */
  show(places, size, picture) {
    this.picture = picture;
    const { width, height } = this.canvas;
    const laid = JSON.stringify([places, size, width, height]);
    if (laid === this.laid) return; // who is on one of them stays there
    this.laid = laid;
    const share = (part, whole) => `${((100 * part) / whole).toFixed(3)}%`;
    this.replaceChildren(
      ...places.map(([left, top], i) => {
        const button = make('button', {
          type: 'button',
          title: 'Take it to the pad',
          'aria-label': `Picture ${i + 1} of ${places.length}: take it to the pad`,
          onclick: () => this.dispatchEvent(new CustomEvent('gm-take', { bubbles: true, detail: this.picture(i) })),
        });
        Object.assign(button.style, {
          left: share(left, width),
          top: share(top, height),
          width: share(size[0], width),
          height: share(size[1], height),
        });
        return button;
      }),
    );
    this.rove.settle();
  }

  /** Of a sheet as `drawSheet` has drawn it. */
  sheet(pictures, { columns, gap }) {
    const [n, , h, w] = pictures.shape;
    const [wide, high] = [w + gap, h + gap]; // without gaps: small pictures are small targets
    const places = Array.from({ length: n }, (_, i) => [(i % columns) * wide - gap / 2, Math.floor(i / columns) * high - gap / 2]);
    this.show(places, [wide, high], (i) => pictureAt(pictures, i));
  }

  clear() {
    this.laid = null;
    this.replaceChildren();
  }
}

customElements.define('gm-takes', Takes);

/** Lays them over a canvas, which must stand in the page. */
export function takesOver(canvas, title) {
  const takes = document.createElement('gm-takes');
  takes.canvas = canvas;
  takes.setAttribute('role', 'group');
  takes.setAttribute('aria-label', `${title}: press one to take it to the pad`);
  takes.rove = roving(takes);
  const box = make('div', { class: 'gm-takes' });
  canvas.replaceWith(box);
  box.append(canvas, takes);
  return takes;
}
