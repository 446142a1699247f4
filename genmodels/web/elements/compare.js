// What is particular to the page of all families: the race, the trade-off's pictures, and the measuring of this host.
import { make } from './controls.js';
import { goTo } from './overview.js';
import { drawSheet, fit } from './picture.js';
import { Section } from './section.js';
import { Asked } from './steps.js';
import { familyName } from './table.js';
import { coded } from './views.js';

/** The race: a lane for each racer, and one for every family that can't, with the reason. */
class Race extends Asked {
  layOutViews() {
    this.views = [];
    this.lanes = make('div', { class: 'gm-lanes' });
    this.order = make('p', { class: 'gm-verdict', role: 'status' });
    this.main.append(this.lanes, this.order);
    this.line();
  }

  /** The start line is all that there is to see before the button is pressed. */
  wake() {
    this.classList.add('gm-filled');
  }

  get families() {
    return this.page.page.spec.families;
  }

  /** Before the race: who would run. */
  line() {
    const here = (this.fit('racers').choices ?? []).map(([model]) => this.page.facts[model].family);
    const chosen = this.state.racers; // from a link, too: it may be anything
    const racers = Array.isArray(chosen) ? chosen : (this.fit('racers').default ?? []);
    const rows = Object.keys(this.families).flatMap((family) => {
      const mine = racers.filter((model) => this.page.facts[model]?.family === family).map((model) => ({ family, model }));
      return mine.length
        ? mine
        : [{ family, model: '', why: here.includes(family) ? 'Not chosen.' : 'No model of it for these pictures is here.' }];
    });
    this.lay(rows);
  }

  /** Whether any model of a family, of whichever pictures, could race. */
  canDraw(family) {
    const choices = Object.values(this.spec.fits).flatMap((fit) => fit.racers?.choices ?? []);
    return choices.some(([model]) => this.page.facts[model].family === family);
  }

  lay(rows) {
    this.rows = rows.map((row) => this.lane(row));
    this.lanes.replaceChildren(...this.rows.map(({ element }) => element));
  }

  lane({ family, model, why }) {
    const [, height, width] = this.page.facts[this.model].shape;
    const canvas = make('canvas', { class: 'gm-sheet', role: 'img', 'aria-label': model ? `Pictures of ${model}` : 'No pictures' });
    fit(canvas, 4 * (width + 1) - 1, 4 * (height + 1) - 1);
    const bar = make('i');
    const time = make('span', { class: 'gm-lane-time', textContent: model ? 'ready' : 'stands by' });
    const place = make('span', { class: 'gm-lane-place' });
    const reason = (!model && !this.canDraw(family) && this.families[family]?.sampling) || why || '';
    const note = make('p', { class: 'gm-note' }, ...coded(reason));
    const head = make('div', { class: 'gm-lane-head' }, familyName(this.page.page, family), place);
    const element = make(
      'div',
      { class: `gm-lane${why ? ' gm-out' : ''}${model ? '' : ' gm-stands'}`, style: `--gm-family: var(--gm-${family})` },
      head,
      make('div', { class: 'gm-lane-name', textContent: model || '\u00a0' }),
      canvas,
      make('div', { class: 'gm-lane-bar' }, bar),
      time,
      note,
    );
    return { element, canvas, bar, time, place, note, model };
  }

  restore(state) {
    super.restore(state);
    this.line();
  }

  change(key, value) {
    super.change(key, value);
    this.again();
  }

  pageChanged(what) {
    super.pageChanged(what);
    if (what !== 'data' || !this.lanes) return;
    delete this.state.racers;
    this.again();
  }

  /** Another data set, class or seed is another race: it waits for the button, at the start line. */
  again() {
    this.stop();
    this.order.textContent = this.progress.textContent = '';
    this.line();
  }

  receive(answer, state) {
    super.receive(answer, state);
    if (answer.error) return;
    if (answer.racers && !answer.done) {
      this.order.textContent = ''; // of the race before
      this.lay(answer.racers);
    }
    const lane = this.rows[answer.racer];
    if (lane) this.advance(lane, answer);
    if (answer.done) this.finish();
  }

  advance(lane, { share, ms, pictures, place, why }) {
    const { element, canvas, bar, time, note } = lane;
    if (why) {
      element.classList.add('gm-out');
      note.replaceChildren(...coded(why));
      time.textContent = '';
      return;
    }
    bar.style.width = `${100 * share}%`;
    time.textContent = `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
    if (pictures) drawSheet(canvas, pictures, 4, 1);
    if (!place) return;
    Object.assign(lane, { arrived: place, ms });
    lane.place.textContent = ordinal(place);
    element.classList.add('gm-arrived');
  }

  finish() {
    const arrived = this.rows.filter((lane) => lane.arrived).sort((a, b) => a.arrived - b.arrived);
    const [first, last] = [arrived[0], arrived[arrived.length - 1]];
    if (!first) return (this.order.textContent = 'Nobody arrived.');
    const ratio = last.ms / first.ms;
    const times = last === first ? '' : ` ${last.model} took ${ratio.toFixed(ratio < 9.5 ? 1 : 0)} times as long.`;
    this.order.replaceChildren(make('b', { textContent: first.model }), ` won in ${first.ms.toFixed(1)} ms.${times}`);
  }
}

const ordinal = (n) => `${n}${['th', 'st', 'nd', 'rd'][n % 10 < 4 && Math.floor(n / 10) % 10 !== 1 ? n % 10 : 0]}`;

/** Points that show their model's pictures, and open its family. */
class Tradeoff extends Section {
  layOutViews() {
    super.layOutViews();
    this.known = {};
    this.addEventListener('gm-point', ({ detail }) => this.picture(detail));
    this.addEventListener('gm-open', ({ detail }) => this.open(detail.point.family));
  }

  open(family) {
    goTo(this.page.page.spec.families[family].of || family, this.page.page);
  }

  async picture({ point, note }) {
    const { model, family } = point;
    const canvas = make('canvas', { class: 'gm-sheet', role: 'img', 'aria-label': `Pictures of ${model}` });
    const [, height, width] = this.page.facts[model].shape;
    fit(canvas, 4 * (width + 1) - 1, 2 * (height + 1) - 1);
    const open = make(
      'button',
      { type: 'button', class: 'gm-button', onpointerdown: (event) => event.preventDefault(), onclick: () => this.open(family) },
      `Open ${this.page.page.spec.families[family].title}`,
    );
    note.append(canvas, open);
    this.known[model] ??= this.page.backend.ask('compare.samples', { model });
    const { samples } = await this.known[model];
    if (samples) drawSheet(canvas, samples, 4, 1);
    else canvas.hidden = true;
  }
}

/** The table of speeds, and a button that measures this host. */
class Speed extends Section {
  layOutControls() {
    super.layOutControls();
    this.run = make('button', {
      type: 'button',
      class: 'gm-button gm-primary',
      textContent: 'Measure this host',
      onclick: () => this.measure(),
    });
    this.halt = make('button', { type: 'button', class: 'gm-button', textContent: 'Stop', disabled: true, onclick: () => this.stop() });
    this.progress = make('p', { class: 'gm-note', role: 'status' });
    this.main.append(make('div', { class: 'gm-pair gm-measure' }, this.run, this.halt, this.progress));
  }

  pageChanged(what) {
    if (what === 'data') this.stop('');
    super.pageChanged(what);
  }

  stop(said = 'Stopped.') {
    this.running?.abort();
    this.running = null;
    this.halt.disabled = true;
    this.progress.textContent = said;
  }

  async measure() {
    this.running?.abort();
    const mine = (this.running = new AbortController());
    const [view] = this.views;
    const found = [];
    this.halt.disabled = false;
    const waits = (said) => (this.running === mine ? (this.progress.textContent = said) : null);
    for await (const answer of this.page.backend.follow('compare.measure', this.subject(), mine.signal, 'heavy', waits)) {
      if (this.running !== mine) return;
      this.trouble.textContent = answer.error ?? '';
      this.progress.textContent = answer.progress ?? '';
      if (answer.row) found.push(answer.row);
      const known = this.answer?.table; // none yet if the button was quicker
      view.show(answer.table ?? (answer.row && known && { ...known, rows: [...found, ...known.rows] }));
    }
    if (this.running !== mine) return;
    this.halt.disabled = true;
    this.running = null;
  }
}

customElements.define('gm-race', Race);
customElements.define('gm-tradeoff', Tradeoff);
customElements.define('gm-speed', Speed);
