// What a section says of the files that it needs: that a tap loads them, how much has come, and that nothing leaves the browser.
import { make } from '../elements/controls.js';

const READY = 'Computed in this browser: nothing is sent anywhere.';
const POSTER = 'Computed beforehand; what you change is computed in this browser.';
const STAND_IN = 'Computed beforehand, with other settings: yours are computed in this browser.';
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** @param {EventTarget} backend a LocalBackend @param {ParentNode} root that holds its sections */
export function showLoading(backend, root) {
  backend.addEventListener('gm-load', ({ detail }) => {
    const section = root.querySelector(`#section-${CSS.escape(detail.section)}`);
    if (section) lineOf(section).tell(detail);
  });
}

function lineOf(section) {
  section.loading ??= section.querySelector('.gm-heading').appendChild(Object.assign(document.createElement('gm-loading'), { section }));
  return section.loading;
}

class Loading extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.note = make('span', { class: 'gm-note', role: 'status' });
    this.bar = make('progress', { hidden: true, 'aria-label': 'Loading the model' });
    this.button = make('button', { type: 'button', class: 'gm-button', hidden: true });
    this.append(this.button, this.bar, this.note);
    this.note.textContent = POSTER;
  }

  tell({ state, loaded, total, several, exact, again, accept, error }) {
    this.button.hidden = state !== 'asks';
    this.bar.hidden = state !== 'loads';
    if (state === 'asks') {
      this.button.textContent = `Load the model${several ? 's' : ''} (${megabytes(total)} MB)`;
      this.button.onclick = async () => {
        await accept();
        if (again) this.section.refresh();
      };
      this.note.textContent = exact ? POSTER : STAND_IN;
    } else if (state === 'loads') {
      Object.assign(this.bar, { max: total, value: loaded });
      this.note.textContent = `${megabytes(loaded)} of ${megabytes(total)} MB`;
    } else {
      this.note.textContent = error ?? READY;
      if (again) this.section.refresh();
    }
  }
}

customElements.define('gm-loading', Loading);
