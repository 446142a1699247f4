// A film of a network's layers, drawn here so that scrubbing is instant. Its value is
// {frames: [{pixels, shape: [channels, height, width], caption}]}, pixels as base64 of uint8 in height, width, channel order.
// A new film is shown at the same step as the last one if it has as many frames, else at the step `props.start` ("end" or 0).
const root = element.querySelector('.gm-steps');
const canvas = root.querySelector('.gm-steps-canvas');
const scrubber = root.querySelector('.gm-steps-scrubber');
const caption = root.querySelector('.gm-steps-caption');
const button = root.querySelector('.gm-steps-play');
const MILLISECONDS = 350;
let frames = [], timer = null;

function draw() {
  const frame = frames[Number(scrubber.value)];
  if (!frame) return;
  const [c, h, w] = frame.shape, raw = atob(frame.pixels), image = new ImageData(w, h);
  for (let i = 0; i < w * h; i++) {
    for (let k = 0; k < 3; k++) image.data[i * 4 + k] = raw.charCodeAt(i * c + (c === 3 ? k : 0));
    image.data[i * 4 + 3] = 255;
  }
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  canvas.getContext('2d').putImageData(image, 0, 0);
  caption.textContent = frame.caption;
  scrubber.setAttribute('aria-valuetext', frame.caption);
  root.dataset.single = w < 40;
}

function pause() {
  clearInterval(timer); timer = null;
  button.textContent = 'Play'; button.setAttribute('aria-label', 'Play');
}
function play() {
  if (Number(scrubber.value) >= frames.length - 1) scrubber.value = 0;
  draw();
  button.textContent = 'Pause'; button.setAttribute('aria-label', 'Pause');
  timer = setInterval(() => {
    if (!element.isConnected || Number(scrubber.value) >= frames.length - 1) { pause(); return; }
    scrubber.value = Number(scrubber.value) + 1;
    draw();
  }, MILLISECONDS);
}
button.addEventListener('click', () => (timer ? pause() : play()));
scrubber.addEventListener('input', () => { pause(); draw(); });

function open() {
  const former = frames.length;
  frames = (props.value && props.value.frames) || [];
  scrubber.max = Math.max(0, frames.length - 1);
  if (frames.length !== former) { pause(); scrubber.value = props.start === 'end' ? scrubber.max : 0; }
  draw();
}
// The names are not quoted one by one: gr.HTML would take a quoted name for that of an event.
const changed = (names, then) => watch(names.trim().split(' '), then);
changed(' value ', open);
open();
