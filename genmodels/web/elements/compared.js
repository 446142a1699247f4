// Two pictures on one another: left of the handle the first, right of it the second. The handle is a slider of the browser's own,
// as large as the pictures, so that it can be dragged anywhere, by touch, and moved by the arrow keys.
import { bytesOf } from './bytes.js';
import { make } from './controls.js';
import { imageOf } from './picture.js';
import { download } from './png.js';

/** @param {HTMLElement} view the gm-compared @param {object} value {before, after: pictures, titles: [of before, of after]} */
export function show(view, { before, after, titles }) {
  view.stage ??= layOut(view);
  const { stage } = view;
  for (const [i, picture] of [before, after].entries()) {
    const [, c, h, w] = picture.shape;
    const canvas = stage.children[i];
    Object.assign(canvas, { width: w, height: h });
    canvas.setAttribute('aria-label', `${['Before', 'After'][i]}: ${titles[i]}`);
    canvas.getContext('2d').putImageData(imageOf(bytesOf(picture.pixels), [c, h, w], 0), 0, 0);
  }
  view.classList.add('gm-filled');
}

function layOut(view) {
  const picture = () => make('canvas', { role: 'img' });
  const range = make('input', { type: 'range', min: 0, max: 100, value: 50, 'aria-label': view.options.title });
  const stage = make('div', { class: 'gm-compared' }, picture(), picture(), make('i'), range);
  const move = () => {
    stage.style.setProperty('--gm-at', `${range.value}%`);
    range.setAttribute('aria-valuetext', `${range.value} % before`);
  };
  range.addEventListener('input', move);
  move();
  const save = make('button', {
    type: 'button',
    class: 'gm-icon gm-save',
    title: 'Download as PNG',
    'aria-label': 'Download: after',
    onclick: () => download(stage.children[1], 16, view.info(), 'genmodels_after.png'),
  });
  view.head.append(save);
  view.append(stage, make('div', { class: 'gm-ends' }, make('span', { textContent: 'before' }), make('span', { textContent: 'after' })));
  return stage;
}
