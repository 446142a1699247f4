// The same noise by several solvers in several numbers of steps: a table of pictures with the time that each took. Its
// answers are {steps, solvers}, then {row, column, cell: {picture, ms}} one by one, and in the end {steps, solvers, cells}.
import { make } from './controls.js';
import { drawSheet } from './picture.js';
import { View } from './views.js';

class SolverGrid extends View {
  layOut() {
    this.box = make('div', { class: 'gm-scroll', tabIndex: 0, role: 'region', 'aria-label': this.options.title });
    this.append(this.box);
    this.axes(this.options);
  }

  axes({ steps, solvers }) {
    const { shape = [1, 28, 28] } = this.options;
    this.names = { steps, solvers };
    this.cells = solvers.map(() => steps.map(() => cellOf(shape)));
    const head = make(
      'tr',
      {},
      make('td'),
      ...steps.map((n) => make('th', { scope: 'col', textContent: `${n} ${n === 1 ? 'step' : 'steps'}` })),
    );
    const rows = this.cells.map((cells, i) =>
      make('tr', {}, make('th', { scope: 'row', textContent: solvers[i] }), ...cells.map(({ element }) => element)),
    );
    this.box.replaceChildren(make('table', { class: 'gm-solver-grid' }, make('thead', {}, head), make('tbody', {}, ...rows)));
  }

  show(value) {
    if (!value) return;
    if (value.steps && !value.cells) this.axes(value);
    if (value.cell) this.fill(value.row, value.column, value.cell);
    value.cells?.forEach((cells, row) => cells.forEach((cell, column) => cell && this.fill(row, column, cell)));
    this.classList.add('gm-filled');
  }

  fill(row, column, { picture, ms, calls }) {
    const { element, canvas, note } = this.cells[row][column];
    const { steps, solvers } = this.names;
    drawSheet(canvas, picture, 2, 1);
    note.textContent = `${ms.toFixed(0)} ms`;
    canvas.setAttribute('aria-label', `${solvers[row]}, ${steps[column]} steps: ${note.textContent}, ${calls} calls of the network`);
    element.classList.add('gm-filled');
  }
}

function cellOf([, height, width]) {
  const canvas = make('canvas', {
    class: 'gm-sheet',
    width: 2 * width + 1,
    height: 2 * height + 1,
    role: 'img',
    'aria-label': 'Not computed yet',
  });
  const note = make('span', { class: 'gm-note', textContent: '\u00a0' });
  return { canvas, note, element: make('td', {}, canvas, note) };
}

customElements.define('gm-solver-grid', SolverGrid);
