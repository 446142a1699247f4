// Films of training runs, side by side under one scrubber. Its value is a list of films: {title, sheet: {url}, columns,
// frame_size: [width, height], num_classes, frames: [{step, classes}]}. All show the same step; a film that ends earlier
// stays at its last frame.
const screens = element.querySelector('.gm-films-screens');
const scrubber = element.querySelector('.gm-films-scrubber');
const button = element.querySelector('.gm-films-play');
const MILLISECONDS = 150;
let films = [], steps = [], timer = null;

const make = (tag, kind, text = '') => Object.assign(document.createElement(tag), { className: kind, textContent: text });

// How many classes are covered over the run, as a stepped line with a dot that follows the scrubber.
function chartOf(film) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg'), n = steps.length;
  const place = (i) => [100 * i / Math.max(1, n - 1), 26 - 22 * frameAt(film, steps[i]).classes / film.num_classes];
  const path = document.createElementNS(svg.namespaceURI, 'polyline');
  path.setAttribute('points', steps.map((_, i) => place(i).map((v) => v.toFixed(2)).join()).join(' '));
  const line = document.createElementNS(svg.namespaceURI, 'line');
  svg.setAttribute('viewBox', '0 0 100 28'); svg.setAttribute('preserveAspectRatio', 'none'); svg.setAttribute('aria-hidden', 'true');
  svg.append(path, line);
  return { svg, move: (i) => { for (const [k, v] of Object.entries({ x1: place(i)[0], x2: place(i)[0], y1: 0, y2: 28 })) line.setAttribute(k, v); } };
}

const indexAt = (film, step) => Math.max(0, film.frames.findLastIndex((frame) => frame.step <= step));
const frameAt = (film, step) => film.frames[indexAt(film, step)];

function screenOf(film) {
  const figure = make('figure', 'gm-films-screen'), canvas = make('canvas', 'gm-films-canvas');
  const count = make('div', 'gm-films-count'), chart = chartOf(film), picture = new Image();
  [canvas.width, canvas.height] = film.frame_size;
  canvas.setAttribute('role', 'img'); canvas.setAttribute('aria-label', `${film.title}: 64 pictures`);
  const draw = () => {
    const i = indexAt(film, steps[scrubber.value]), [w, h] = film.frame_size;
    if (picture.complete && picture.naturalWidth) canvas.getContext('2d').drawImage(picture, i % film.columns * w, Math.floor(i / film.columns) * h, w, h, 0, 0, w, h);
    const { step, classes } = film.frames[i], ended = step < steps[scrubber.value] && i === film.frames.length - 1;
    count.innerHTML = `Classes covered: <b>${classes} of ${film.num_classes}</b> · step ${step.toLocaleString('en')}${ended ? ' (the end)' : ''}`;
    chart.move(Number(scrubber.value));
  };
  picture.onload = draw;
  picture.src = film.sheet.url;
  figure.append(make('figcaption', '', film.title), canvas, count, chart.svg);
  return { figure, draw };
}

function draw() { for (const film of films) film.draw(); }

function pause() {
  clearInterval(timer); timer = null;
  button.textContent = 'Play'; button.setAttribute('aria-label', 'Play');
}
function play() {
  if (Number(scrubber.value) >= steps.length - 1) scrubber.value = 0;
  button.textContent = 'Pause'; button.setAttribute('aria-label', 'Pause');
  timer = setInterval(() => {
    if (!element.isConnected || Number(scrubber.value) >= steps.length - 1) { pause(); return; }
    scrubber.value = Number(scrubber.value) + 1;
    draw();
  }, MILLISECONDS);
}
button.addEventListener('click', () => (timer ? pause() : play()));
scrubber.addEventListener('input', () => { pause(); draw(); });

function open() {
  pause();
  const given = props.value || [];
  steps = [...new Set(given.flatMap((film) => film.frames.map((frame) => frame.step)))].sort((a, b) => a - b);
  scrubber.max = Math.max(0, steps.length - 1);
  scrubber.value = scrubber.max;
  films = given.map(screenOf);
  screens.replaceChildren(...films.map((film) => film.figure));
  draw();
}
changed(' value ', open);
open();
