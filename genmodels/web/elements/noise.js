// A picture drowned in noise at a touch, and on a button denoised from there, in the same place.
import { stopped } from './controls.js';
import { Twice } from './twice.js';

class Noise extends Twice {
  work = 'diffusion.denoise';

  layOutControls() {
    super.layOutControls();
    this.layOutRun(() => this.carryOut());
  }

  stop() {
    if (this.running) this.progress.textContent = stopped(this.far);
    super.stop();
  }
}

customElements.define('gm-noise', Noise);
