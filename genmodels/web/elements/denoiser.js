// Pictures on their way from noise, and beside them the clean ones that the network sees in them. Its value is what
// `diffusion.sample_steps` yields: {run, state: "running" | "done" | "preview", total, frames: [{step, sigma, ms, noisy, clean}],
// info}, the next one with a frame more. The newest frame is on show, unless the scrubber is held at another. clean is null
// in the very first: until the network answers, there is the noise alone.
// Event: "stop", when the server need not go on.
import { Piece } from './piece.js';
import { download } from './png.js';
import { fit, showPicture } from './picture.js';

const template = (props) => `
<div class="gm-denoiser">
  <div class="gm-writer-screens">
    <figure>
      <figcaption>Noisy picture x<sub>t</sub></figcaption>
      <canvas class="gm-denoiser-noisy" role="img" aria-label="Noisy picture x_t"></canvas>
    </figure>
    <figure>
      <figcaption>${props.label ?? ''}</figcaption>
      <canvas class="gm-denoiser-clean" role="img" aria-label="${props.label ?? ''}"></canvas>
    </figure>
  </div>
  <div class="gm-steps-bar">
    <div class="gm-seg"><button type="button" class="gm-steps-stop" disabled>Stop</button><button type="button" class="gm-steps-play" disabled>Play</button></div>
    <input type="range" class="gm-steps-scrubber" min="0" max="0" value="0" step="1" aria-label="${props.label ?? ''}: step">
    <div class="gm-seg"><button type="button" data-action="save">Download PNG</button></div>
  </div>
  <div class="gm-steps-caption"></div>
</div>`;

export class Denoiser extends Piece {
  static template = template;

  mount({ element, props, changed, trigger }) {
    const root = element.querySelector('.gm-denoiser');
    const noisy = root.querySelector('.gm-denoiser-noisy');
    const clean = root.querySelector('.gm-denoiser-clean');
    const scrubber = root.querySelector('.gm-steps-scrubber');
    const caption = root.querySelector('.gm-steps-caption');
    const button = root.querySelector('.gm-steps-play');
    const halt = root.querySelector('.gm-steps-stop'); // another button: a late click on Stop must not start a replay
    const save = root.querySelector('[data-action=save]');
    const MILLISECONDS = 180;

    let film = null, stopped = false, follows = true, timer = null;
    let waiting = false; // for the first frame of a run

    const at = () => Number(scrubber.value);
    const last = () => film.frames.length - 1;
    const going = () => waiting || (film !== null && film.state === 'running' && !stopped);

    function draw() {
      if (film) drawFrame();
      halt.disabled = !going();
      if (waiting) { root.dataset.state = 'waiting'; button.disabled = true; }
      if (waiting || !film) caption.textContent = waiting ? 'Starting …' : '';
    }

    function drawFrame() {
      const frame = film.frames[at()];
      showPicture(noisy, frame.noisy);
      if (frame.clean) showPicture(clean, frame.clean); else clear(clean, noisy);
      save.disabled = !frame.clean;
      root.dataset.single = noisy.width < 40;
      root.dataset.state = stopped ? 'stopped' : film.state;
      root.dataset.frames = film.frames.length;
      root.dataset.run = film.run;
      button.textContent = timer ? 'Pause' : 'Play';
      button.disabled = film.frames.length < 2 || going();
      scrubber.disabled = film.frames.length < 2;
      caption.textContent = say(frame);
      scrubber.setAttribute('aria-valuetext', caption.textContent);
    }

    function clear(canvas, { width, height }) {
      fit(canvas, width, height);
      canvas.getContext('2d').clearRect(0, 0, width, height);
    }

    function say(frame) {
      const end = film.state === 'done' && at() === last();
      if (end) return `Done: ${film.total} ${film.total === 1 ? 'step' : 'steps'}, ${Math.round(frame.ms)} ms of computing`;
      const level = frame.sigma ? `xₜ = ${Math.sqrt(1 - frame.sigma ** 2).toFixed(2)} · picture + ${frame.sigma.toFixed(2)} · noise` : 'no noise is left';
      if (film.state === 'preview') return level;
      const where = `tep ${frame.step}${film.total ? ` of ${film.total}` : ''}`;
      return `${stopped && at() === last() ? `Stopped at s${where}` : `S${where}`}: ${level}`;
    }

    function pause() { clearInterval(timer); timer = null; }
    function play() {
      if (at() >= last()) scrubber.value = 0;
      timer = setInterval(() => {
        if (!element.isConnected || at() >= last()) pause(); else scrubber.value = at() + 1;
        draw();
      }, MILLISECONDS);
    }

    function take() {
      const value = props.value;
      if (!value || !value.frames || !value.frames.length) return;
      if (overtaken(value, film) || (film && value.run === film.run && stopped)) return; // an older one, or no longer wanted
      if (!film || value.run !== film.run) { pause(); stopped = waiting = false; follows = true; }
      film = value;
      scrubber.max = last();
      if (follows) scrubber.value = last();
      draw();
    }

    button.addEventListener('click', () => {
      if (!film) return;
      if (timer) pause(); else play();
      draw();
    });
    halt.addEventListener('click', () => {
      if (waiting) waiting = false; else stopped = true;
      trigger('stop');
      draw();
    });
    scrubber.addEventListener('input', () => { pause(); follows = at() === last(); draw(); });
    save.addEventListener('click', () => {
      if (!film) return;
      const frame = film.frames[at()], scale = Math.max(2, Math.min(8, Math.floor(1000 / clean.width)));
      download(clean, scale, { ...film.info, step: frame.step }, `${film.info.model}_${film.info.seed}.png`);
    });
    onWait((waits) => { waiting = waits; if (waits) pause(); draw(); });
    changed(' value ', take);
    take();
  }
}

customElements.define('gm-denoiser', Denoiser);
