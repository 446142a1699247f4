// The latent map: 2,000 coloured points, and beside them the picture decoded where the pointer is.
// Its value is the marked place {x, y} or null; prop map is {name, points, classes, extent, shape, info}.
// server.decode({name, x, y}) answers {pixels} or {error}; one request is in flight, the latest position wins.
const root = element.querySelector('.gm-map');
const canvas = root.querySelector('.gm-map-canvas');
const view = canvas.getContext('2d');
const picture = root.querySelector('.gm-map-picture');
const where = root.querySelector('.gm-map-where');
const legend = root.querySelector('.gm-map-legend');
const COLOURS = ['#4e79a7', '#f28e2b', '#e15759', '#3fa7a1', '#59a14f', '#c9a400', '#b07aa1', '#ff7f9e', '#9c755f', '#8a8f98'];

let dots = null;                    // the points, drawn once for each choice of class
let only = null;                    // the class that the legend singles out
let probe = { x: 0, y: 0 };

const map = () => props.map && props.map.points ? props.map : null;
const toPlane = (p) => { const e = map().extent; return [(p.x + e) / (2 * e) * canvas.width, (e - p.y) / (2 * e) * canvas.height]; };

function drawDots() {
  dots = document.createElement('canvas');
  dots.width = canvas.width; dots.height = canvas.height;
  const d = dots.getContext('2d');
  for (const [x, y, c] of map().points) {
    const [u, v] = toPlane({ x, y });
    d.globalAlpha = only === null ? 0.75 : only === c ? 0.95 : 0.1;
    d.fillStyle = COLOURS[c % COLOURS.length];
    d.beginPath(); d.arc(u, v, 4, 0, 7); d.fill();
  }
}

function draw() {
  if (!map()) return;
  view.clearRect(0, 0, canvas.width, canvas.height);
  const ink = getComputedStyle(canvas).color, [u, v] = toPlane(probe);
  view.globalAlpha = 0.25; view.strokeStyle = ink; view.lineWidth = 1;
  view.beginPath(); view.moveTo(canvas.width / 2, 0); view.lineTo(canvas.width / 2, canvas.height);
  view.moveTo(0, canvas.height / 2); view.lineTo(canvas.width, canvas.height / 2); view.stroke();
  view.globalAlpha = 1;
  view.drawImage(dots, 0, 0);
  view.lineWidth = 3; view.strokeStyle = ink;
  view.beginPath(); view.arc(u, v, 13, 0, 7);
  view.moveTo(u - 22, v); view.lineTo(u - 7, v); view.moveTo(u + 7, v); view.lineTo(u + 22, v);
  view.moveTo(u, v - 22); view.lineTo(u, v - 7); view.moveTo(u, v + 7); view.lineTo(u, v + 22); view.stroke();
  if (props.value && Number.isFinite(props.value.x)) {
    const e = map().extent, hold = (t) => Math.max(-e, Math.min(e, t));
    const [a, b] = toPlane({ x: hold(props.value.x), y: hold(props.value.y) });
    view.fillStyle = '#fff'; view.strokeStyle = '#111'; view.lineWidth = 4;
    view.beginPath();
    for (let i = 0; i < 10; i++) {
      const r = i % 2 ? 9 : 21, t = i * Math.PI / 5 - Math.PI / 2;
      view[i ? 'lineTo' : 'moveTo'](a + r * Math.cos(t), b + r * Math.sin(t));
    }
    view.closePath(); view.stroke(); view.fill();
  }
}

function legends() {
  legend.replaceChildren();
  map().classes.forEach((name, i) => {
    const b = document.createElement('button'), dot = document.createElement('i');
    b.type = 'button'; b.setAttribute('aria-pressed', 'false');
    dot.style.background = COLOURS[i % COLOURS.length];
    b.append(dot, name);
    b.onclick = () => {
      only = only === i ? null : i;
      [...legend.children].forEach((c, k) => c.setAttribute('aria-pressed', k === only));
      drawDots(); draw();
    };
    legend.append(b);
  });
}

const ask = latestOnly((point) => server.decode(point), (answer, asked) => {
  if (!map() || asked.name !== map().name) return;
  showPicture(picture, { pixels: answer.pixels, shape: map().shape });
  picture.dataset.x = asked.x; picture.dataset.y = asked.y;
}, (text) => { where.textContent = text; });

function go(x, y) {
  if (!map()) return;
  const e = map().extent, hold = (t) => Math.round(Math.max(-e, Math.min(e, t)) * 1000) / 1000;
  probe = { x: hold(x), y: hold(y) };
  where.textContent = `z = (${probe.x.toFixed(2)}, ${probe.y.toFixed(2)})`;
  requestAnimationFrame(draw);
  ask({ name: map().name, ...probe });
}
function follow(event) {
  if (!map()) return;
  const box = canvas.getBoundingClientRect(), e = map().extent;
  go(((event.clientX - box.left) / box.width * 2 - 1) * e, (1 - (event.clientY - box.top) / box.height * 2) * e);
}
canvas.addEventListener('pointerdown', (event) => { canvas.setPointerCapture(event.pointerId); follow(event); });
canvas.addEventListener('pointermove', (event) => { if (event.pointerType === 'mouse' || event.buttons) follow(event); });
canvas.addEventListener('keydown', (event) => {
  const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (!step || !map()) return;
  event.preventDefault();
  const far = map().extent * (event.shiftKey ? 0.2 : 0.04);
  go(probe.x + step[0] * far, probe.y + step[1] * far);
});

root.querySelector('[data-action=save]').addEventListener('click', () => {
  if (!map()) return;
  const { x, y } = picture.dataset;
  download(picture, Math.ceil(448 / picture.width), { ...map().info, x, y }, `${map().name}_${x}_${y}.png`);
});

function open() {
  if (!map()) return;
  only = null;
  drawDots(); legends(); draw();
  go(props.value ? props.value.x : probe.x, props.value ? props.value.y : probe.y);
}
changed(' map ', open);
changed(' value ', () => { draw(); if (map() && props.value) go(props.value.x, props.value.y); });
open();
