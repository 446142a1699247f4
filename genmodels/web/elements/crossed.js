// A table of pictures with pictures as headings: {left, top, cells}, the cells row by row. Each is a picture of an answer.
import { bytesOf } from './bytes.js';
import { fit, imageOf, pictureAt } from './picture.js';
import { Grid } from './views.js';

const GAP = 2;
const APART = 8; // between the headings and the cells

export class Crossed extends Grid {
  layOut() {
    super.layOut();
    const { rows, columns, shape = [1, 28, 28] } = this.options;
    this.size(rows, columns, shape[2], shape[1]);
    this.canvas.classList.add('gm-takes');
    this.canvas.title = 'Press a picture to take it to the pad';
    this.canvas.addEventListener('click', (event) => this.pressed(event));
  }

  size(rows, columns, w, h) {
    fit(this.canvas, (columns + 1) * (w + GAP) + APART - GAP, (rows + 1) * (h + GAP) + APART - GAP);
  }

  show(value) {
    if (!value) return;
    this.picture = value.cells;
    this.value = value;
    const [, c, h, w] = value.cells.shape;
    const [rows, columns] = [value.left.shape[0], value.top.shape[0]];
    this.size(rows, columns, w, h);
    const view = this.canvas.getContext('2d');
    view.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const put = (picture, place) => {
      const bytes = bytesOf(picture.pixels);
      for (let i = 0; i < picture.shape[0]; i++) view.putImageData(imageOf(bytes, [c, h, w], i * c * h * w), ...place(i));
    };
    put(value.left, (i) => [0, this.edge(i + 1, h)]);
    put(value.top, (i) => [this.edge(i + 1, w), 0]);
    put(value.cells, (i) => [this.edge((i % columns) + 1, w), this.edge(Math.floor(i / columns) + 1, h)]);
    this.canvas.setAttribute(
      'aria-label',
      `${this.options.title}: ${rows} rows and ${columns} columns, each cell a mixture of the pictures at its row's and its column's head`,
    );
    this.classList.add('gm-filled');
  }

  /** Where the i-th row or column begins; 0 is the headings'. */
  edge(i, size) {
    return i ? i * (size + GAP) + APART : 0;
  }

  pressed(event) {
    if (!this.value) return;
    const [, , h, w] = this.value.cells.shape;
    const box = this.canvas.getBoundingClientRect();
    const place = (far, whole, canvas, size) => {
      const at = (far / whole) * canvas;
      return at < size + GAP ? 0 : Math.floor((at - APART) / (size + GAP));
    };
    const x = place(event.clientX - box.left, box.width, this.canvas.width, w);
    const y = place(event.clientY - box.top, box.height, this.canvas.height, h);
    const columns = this.value.top.shape[0];
    const [picture, i] = x && y ? [this.value.cells, (y - 1) * columns + x - 1] : y ? [this.value.left, y - 1] : [this.value.top, x - 1];
    if (i >= 0 && i < picture.shape[0]) this.dispatchEvent(new CustomEvent('gm-take', { bubbles: true, detail: pictureAt(picture, i) }));
  }
}

customElements.define('gm-crossed', Crossed);
