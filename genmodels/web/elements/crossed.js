// A table of pictures with pictures as headings: {left, top, cells}, the cells row by row. Each is a picture of an answer.
import { bytesOf } from './bytes.js';
import { fit, imageOf, pictureAt } from './picture.js';
import { Grid } from './views.js';

const GAP = 2;
const APART = 8; // between the headings and the cells

class Crossed extends Grid {
  layOut() {
    super.layOut();
    const { rows, columns, shape = [1, 28, 28] } = this.options;
    this.size(rows, columns, shape[2], shape[1]);
  }

  size(rows, columns, w, h) {
    fit(this.canvas, (columns + 1) * (w + GAP) + APART - GAP, (rows + 1) * (h + GAP) + APART - GAP);
  }

  show(value) {
    if (!value) return;
    this.picture = value.cells;
    const [, c, h, w] = value.cells.shape;
    const [rows, columns] = [value.left.shape[0], value.top.shape[0]];
    this.size(rows, columns, w, h);
    const view = this.canvas.getContext('2d');
    view.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const put = (picture, place) => {
      const bytes = bytesOf(picture.pixels);
      for (let i = 0; i < picture.shape[0]; i++) view.putImageData(imageOf(bytes, [c, h, w], i * c * h * w), ...place(i));
    };
    const places = {
      left: (i) => [0, this.edge(i + 1, h)],
      top: (i) => [this.edge(i + 1, w), 0],
      cells: (i) => [this.edge((i % columns) + 1, w), this.edge(Math.floor(i / columns) + 1, h)],
    };
    for (const [key, place] of Object.entries(places)) put(value[key], place);
    const all = ['top', 'left', 'cells'].flatMap((key) => Array.from({ length: value[key].shape[0] }, (_, i) => [key, i]));
    const target = ([key, i]) => places[key](i).map((at) => at - GAP / 2);
    this.takes?.show(all.map(target), [w + GAP, h + GAP], (at) => pictureAt(value[all[at][0]], all[at][1]));
    this.canvas.setAttribute(
      'aria-label',
      `${this.options.title}: ${rows} rows and ${columns} columns, each cell a mixture of the pictures at its row's and its column's head`,
    );
    this.filled();
  }

  /** Where the i-th row or column begins; 0 is the headings'. */
  edge(i, size) {
    return i ? i * (size + GAP) + APART : 0;
  }
}

customElements.define('gm-crossed', Crossed);
