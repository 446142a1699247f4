// A drawer for pipelines of the Hub: what a picture costs here is told before; then the picture step by step. Nothing is
// asked before the drawer is opened.
import { make } from './controls.js';
import { drawSheet, fit } from './picture.js';
import { download } from './png.js';
import { Asked } from './steps.js';
import { spoken, View } from './views.js';

const COST = ['diffusion.hub_cost', 'network']; // speaks the same state
const ASKING = 'Asking the Hub what this model costs here …';

class Hub extends Asked {
  layOutControls() {
    super.layOutControls();
    this.cost = make('p', { class: 'gm-note gm-cost', role: 'status', textContent: ASKING });
    this.retry = make('button', {
      type: 'button',
      class: 'gm-button',
      textContent: 'Ask again',
      hidden: true,
      onclick: () => this.tellCost(),
    });
    this.side.prepend(this.menu(), this.cost, this.retry);
    this.run.disabled = true;
    for (const key of Object.keys(this.spec.fields))
      if (this.fit(key).default !== null && !this.page.owns(key)) this.state[key] ??= this.fit(key).default;
    this.suit();
    this.layOutDrawer();
  }

  layOutDrawer() {
    const split = this.side.parentElement;
    this.drawer = make(
      'details',
      { class: 'gm-hub-drawer' },
      make('summary', { textContent: 'Choose a model, and see what it costs here' }),
    );
    split.replaceWith(this.drawer);
    this.drawer.append(split);
    this.drawer.addEventListener('toggle', () => this.drawer.open && !this.asked && this.tellCost());
  }

  /** A list, and where any repo may be used a field that proposes those of the list. */
  menu() {
    const { choices, free, default: first } = this.fit('repo');
    const id = `${this.id}-repo`;
    const field = free
      ? make('input', {
          type: 'text',
          id,
          name: 'repo',
          value: first,
          list: `${id}-list`,
          spellcheck: false,
          autocomplete: 'off',
        })
      : make('select', { id, name: 'repo' }, ...choices.map(([title, repo]) => make('option', { value: repo, textContent: title })));
    const list = free
      ? make('datalist', { id: `${id}-list` }, ...choices.map(([title, repo]) => make('option', { value: repo, textContent: title })))
      : null;
    field.addEventListener('change', () => this.choose(field.value.trim()));
    this.repo = field;
    const info = make('span', {
      class: 'gm-info',
      textContent: free ? 'One of these, or user/name.' : 'One of these.',
    });
    return make(
      'div',
      { class: 'gm-control', data: { key: 'repo' } },
      make('label', { htmlFor: id, textContent: this.spec.fields.repo.label }),
      field,
      list,
      info,
    );
  }

  choose(repo) {
    this.state.repo = repo;
    this.suit();
    this.tellCost();
  }

  /** The settings that suit the model, where no others were given. */
  suit(given = {}) {
    const { choices, others } = this.fit('repo');
    const suited = choices.find(([, repo]) => repo === this.state.repo)?.[2] ?? others;
    for (const [key, value] of Object.entries(suited)) {
      this.state[key] = given[key] ?? value;
      this.controls[key].set(this.state[key]);
    }
    this.settings = Object.keys(suited);
    this.starts = suited;
  }

  restore(state) {
    super.restore(state);
    this.state.repo ??= this.fit('repo').default;
    this.repo.value = this.state.repo;
    this.suit(state);
    this.drawer.open = true;
  }

  excuse(refusal) {
    super.excuse(refusal);
    this.drawer.open = true;
  }

  pageChanged() {}

  stop() {
    super.stop();
    this.progress.textContent = this.progress.textContent.replace(/ · (about|less)[^·]* left$/, '');
  }

  change(key, value, final = true) {
    super.change(key, value);
    if (final && this.settings.includes(key)) this.tellCost();
  }

  async tellCost() {
    this.asked = true;
    this.costing?.abort();
    const mine = (this.costing = new AbortController());
    this.run.disabled = true;
    this.retry.hidden = true;
    this.cost.textContent = ASKING;
    for await (const answer of this.page.backend.follow(COST[0], this.question(), mine.signal, COST[1])) {
      if (this.costing !== mine) return;
      this.cost.replaceChildren(...spoken(answer.error ?? answer.words));
      this.run.disabled = Boolean(answer.error);
      this.retry.hidden = !answer.error;
    }
  }
}

/** One large picture that becomes clear. */
class Photo extends View {
  layOut() {
    const { side = 512, title } = this.options;
    this.canvas = make('canvas', {
      class: 'gm-photo',
      width: side,
      height: side,
      role: 'img',
      'aria-label': 'No picture yet',
    });
    this.saves = make('button', {
      type: 'button',
      class: 'gm-icon gm-save',
      disabled: true,
      title: 'Download as PNG',
      'aria-label': `Download: ${title}`,
      onclick: () => this.save(),
    });
    this.head.append(this.saves);
    this.append(this.canvas);
  }

  begin({ width, height, prompt }) {
    this.prompt = prompt;
    if (width && height) fit(this.canvas, width, height);
  }

  show(picture, answer) {
    if (!picture) return;
    drawSheet(this.canvas, picture);
    this.saves.disabled = !answer.done;
    this.canvas.setAttribute('aria-label', `${answer.done ? 'The picture' : 'A preview of the picture'}: ${this.prompt}`);
    this.classList.add('gm-filled');
  }

  save() {
    const info = this.info();
    download(this.canvas, 1, info, `${info.repo.split('/').pop()}_${info.seed ?? 0}.png`);
  }
}

customElements.define('gm-hub', Hub);
customElements.define('gm-photo', Photo);
