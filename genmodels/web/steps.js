// A film of a network's layers, drawn here so that scrubbing is instant. Its value is
// {frames: [{pixels, shape: [channels, height, width], caption}]}, pixels as base64 of uint8 in height, width, channel order.
// A new film is shown at the same step as the last one if it has as many frames, else at its beginning.
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
  showPicture(canvas, frame);
  caption.textContent = frame.caption;
  scrubber.setAttribute('aria-valuetext', frame.caption);
  root.dataset.single = canvas.width < 40;
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
  if (frames.length !== former) { pause(); scrubber.value = 0; }
  draw();
}
changed(' value ', open);
open();
