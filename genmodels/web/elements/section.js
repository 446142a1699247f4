// A section: its two sentences, the controls of its state, and the views of its answers. It knows no model: it has a
// `spec` from the server, a `page` that shares data, drawing and seed, and a `backend` that computes.
import { fitOf, same, textOf, valuesOf } from './address.js';
import { latestOnly } from './backend.js';
import { control, make, stopped } from './controls.js';
import './share.js';
import './views.js';

const FROM_HUB = ' '; // no model's name

/** What people use it for, and who says so. */
function inUse({ text, source, address }) {
  const link = make('a', { href: address, target: '_blank', rel: 'noopener', textContent: source });
  return make('p', { class: 'gm-use' }, make('b', { textContent: 'In the real world: ' }), `${text} `, link);
}

export class Section extends HTMLElement {
  /** @type {object} see Section.spec in wrappers/section.py */ spec = null;
  /** @type {object} the page: data, picture, hidden, seed, backend, facts */ page = null;
  state = {};
  good = {}; // the last state that was answered
  starts = {}; // values with which the element itself begins, where these aren't the fields' defaults
  linked = null; // what a link said, as text, until it is answered or refused
  taught = null; // what a lesson's link says, as text: hide, lock, ask, answer
  excused = null; // after a link that can't be: the question for the default, whose answer leaves the reason standing

  /** What an element does that has no spec because an author wrote it; see local/article.js. */
  static stand = () => {};

  connectedCallback() {
    if (this.laidOut) return;
    if (!this.spec) return Section.stand(this);
    this.laidOut = true;
    const { key, title, text, task, use } = this.spec;
    this.id = `section-${key}`;
    this.classList.add('gm-section');
    this.controls = {};
    this.side = make('div', { class: 'gm-side' });
    this.main = make('div', { class: 'gm-main' });
    this.trouble = make('p', { class: 'gm-trouble', role: 'alert' });
    this.append(
      make(
        'header',
        { class: 'gm-heading' },
        make('h2', { textContent: title, tabIndex: -1 }),
        make('p', { textContent: text, data: { key: 'text' } }),
        task ? make('p', { class: 'gm-task', textContent: task, data: { key: 'task' } }) : null,
      ),
      make('div', { class: 'gm-split' }, this.side, this.main),
    );
    this.model = this.modelFor(this.page.data);
    this.layOutControls();
    this.layOutViews();
    this.main.append(this.trouble);
    if (use) this.append(inUse(use));
    this.append(Object.assign(document.createElement('gm-share'), { section: this }));
    this.asks = latestOnly(
      (state) => this.page.backend.ask(key, state),
      (answer, state) => this.receive(answer, state),
    );
    this.addEventListener('gm-take', (event) => this.page.take(event.detail));
    this.page.whenSeen(this, () => this.wake());
  }

  // -- the state -------------------------------------------------------------------------------------------------------

  /** The section's models of a data set, the first one if none is of it. */
  modelFor(data) {
    const { models } = this.spec;
    return (
      models.find((name) => name === this.state.model && this.page.facts[name].data === data) ??
      models.find((name) => this.page.facts[name].data === data) ??
      models[0]
    );
  }

  fit(key) {
    return fitOf(this.spec, this.model, key);
  }

  uses(key) {
    return key in this.spec.fields;
  }

  /** What is asked: the section's own values, and those that the page shares, where it has them for this model's data. */
  question() {
    const shared = {};
    for (const key of ['picture', 'hidden', 'seed'])
      if (this.uses(key) && this.page.shared(key, this) !== undefined) shared[key] = this.page.shared(key, this);
    const own = Object.fromEntries(Object.entries(this.state).filter(([key, value]) => this.uses(key) && value !== undefined));
    return { ...own, ...shared, ...this.subject() };
  }

  /** What comes first in its state: a model, the data set of several, or nothing. */
  subject() {
    const { subject } = this.spec;
    if (!subject) return {};
    return { [subject]: subject === 'data' ? this.page.facts[this.model].data : this.model };
  }

  /** Takes over a state that has been checked: what it says, the rest at its default. */
  restore(state) {
    this.state = { ...state };
    this.starts = {};
    const { subject, models } = this.spec;
    const fits = (name) => (subject === 'data' ? this.page.facts[name].data : name) === state[subject];
    this.model = models.find(fits) ?? this.modelFor(this.page.data);
    this.variants();
    for (const [key, one] of Object.entries(this.controls)) {
      one.fit(this.fit(key));
      one.set(state[key] ?? this.fit(key).default);
    }
    if (this.awake) this.refresh();
  }

  /** What a link asks for and can't be: the default stands, with the reason, until something else is asked. */
  excuse(refusal) {
    this.linked = null;
    this.refuse(refusal);
    this.excused = true;
  }

  /** What the address says of it, as text: the state on show without what is the default anyway. */
  told() {
    if (this.linked) return this.linked;
    const [data] = this.page.datasets;
    const model = this.spec.models.find((name) => this.page.facts[name].data === data) ?? this.spec.models[0];
    const first = { data, model };
    const usual = (key) => JSON.stringify(this.starts[key] ?? first[key] ?? this.fit(key).default);
    const named = Object.entries(this.good).map(([key, value]) => [key, this.page.named(this.spec.fields[key]?.kind, value)]);
    const fits = ([key, value]) => this.spec.fields[key]?.kind !== 'drawings' && JSON.stringify(value) !== usual(key);
    return textOf(Object.fromEntries(named.filter(fits))); // many drawings are more than an address holds
  }

  /** The state on show as a whole, as text: with what is the default anyway, and with the hash of the weights. */
  whole() {
    const shown = Object.keys(this.good).length ? this.good : this.question();
    const { subject, fields } = this.spec;
    const usual = (key) => this.starts[key] ?? fitOf(this.spec, shown.model ?? this.model, key).default;
    const all = { ...this.subject(), ...Object.fromEntries(Object.keys(fields).map((key) => [key, usual(key)])), ...shown };
    if (subject) all[subject] += `@${this.page.page.weightsOf(all[subject])}`;
    return textOf(all);
  }

  // -- layout ----------------------------------------------------------------------------------------------------------

  layOutControls() {
    const more = make('details', { class: 'gm-more' }, make('summary', { textContent: 'More' }));
    for (const [key, field] of Object.entries(this.spec.fields)) {
      if (!field.shown || this.page.owns(key)) continue;
      const one = control(key, field, this.fit(key), (value, final) => this.change(key, value, final));
      this.controls[key] = one;
      one.element.dataset.key = key; // by which a lesson hides or fixes it
      (field.advanced ? more : this.side).append(one.element);
    }
    this.variants();
    if (more.children.length > 1) this.side.append(more);
    if (!this.side.children.length) this.classList.add('gm-bare');
  }

  /** The button of its work, Stop, and the line that says how far it is. */
  layOutRun(begin) {
    this.classList.remove('gm-bare');
    const textContent = this.spec.verb || 'Generate';
    this.run = make('button', { type: 'button', class: 'gm-button gm-primary', textContent, onclick: begin });
    this.halt = make('button', { type: 'button', class: 'gm-button', textContent: 'Stop', disabled: true, onclick: () => this.stop() });
    this.progress = make('p', { class: 'gm-note', role: 'status' });
    this.side.append(make('div', { class: 'gm-pair' }, this.run, this.halt), this.progress);
  }

  /** Where a data set has several models, which of them; not where the section asks all of them. */
  variants() {
    if (this.spec.subject !== 'model') return;
    const same = this.spec.models.filter((name) => this.page.facts[name].data === this.page.data);
    this.variant?.element.remove();
    this.variant = null;
    const hub = this.page.hub && (same.length > 1 || this.page.isFirst(this));
    if (same.length < 2 && !hub) return;
    const kinds = new Set(same.map((name) => this.page.facts[name].kind));
    const title = ({ kind, variant }) => (kinds.size > 1 ? `${kind} ${variant}`.trim() : variant || 'usual');
    const choices = same.map((name) => [title(this.page.facts[name]), name]);
    if (hub) choices.push(['from the Hub…', FROM_HUB]);
    this.variant = control('model', { kind: 'choice', label: 'Model', info: '' }, { choices, default: this.model }, (name) => {
      form.hidden = name !== FROM_HUB;
      this.variant.refuse('');
      if (name === FROM_HUB) return form.elements.repo.focus();
      this.state.model = this.model = name;
      this.adapt();
      this.refresh();
    });
    const form = this.fromHub();
    this.variant.element.dataset.key = 'model';
    this.variant.element.append(form);
    this.side.prepend(this.variant.element);
  }

  /** The field of `user/repo`, whose checkpoint is opened in this section by its link. */
  fromHub() {
    const { free, repos = [] } = this.page.hub ?? {};
    const list = `${this.id}-hub`;
    const label = 'A checkpoint of the Hub, user/name';
    const field = make('input', {
      type: 'text',
      name: 'repo',
      list,
      required: true,
      placeholder: 'user/name',
      'aria-label': label,
      spellcheck: false,
      autocapitalize: 'off',
    });
    if (!free && repos.length) field.value = repos[0];
    const open = make('button', { type: 'submit', class: 'gm-button', textContent: 'Open' });
    const options = repos.map((repo) => make('option', { value: repo }));
    const form = make('form', { class: 'gm-pair gm-from-hub', hidden: true }, field, open, make('datalist', { id: list }, ...options));
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      Object.assign(open, { disabled: true, textContent: 'Loading …' });
      const model = field.value.trim();
      const { error, spec } = await this.page.backend.ask('page.hub_model', { repo: model });
      Object.assign(open, { disabled: false, textContent: 'Open' });
      this.variant.refuse(error);
      if (error) return;
      const able = spec.tabs.flatMap((tab) => tab.sections).filter((one) => one.subject === 'model' && one.models.includes(model));
      const one = able.find(({ key }) => key === this.spec.key) ?? able[0];
      const [tab, section] = one.key.split('.'); // this one, if it can have such a model
      location.assign(`?${new URLSearchParams({ tab, section, model })}`);
    });
    return form;
  }

  layOutViews() {
    this.views = this.spec.views.map((options) => {
      const view = document.createElement(options.element);
      const take = options.take && this.page.usesPicture; // there is a pad to take pictures to
      view.options = { ...options, take, shape: this.page.facts[this.model]?.shape };
      view.info = () => this.page.signature(this);
      if (options.place === 'side') {
        this.classList.remove('gm-bare');
        this.side.append(view);
      } else this.main.append(view);
      return view;
    });
  }

  /** Bounds and choices for another model; values that it can't have go to its default. */
  adapt() {
    for (const [key, one] of Object.entries(this.controls)) {
      const to = this.fit(key);
      one.fit(to);
      const value = this.state[key];
      const allowed = to.choices ? valuesOf(to.choices).includes(value) : value >= to.low && value <= to.high;
      if (value === undefined || !allowed) delete this.state[key];
      one.set(this.state[key] ?? to.default);
    }
  }

  // -- asking ----------------------------------------------------------------------------------------------------------

  /** The first picture, when the section comes near the screen. */
  async wake() {
    this.awake = true;
    await this.ask();
  }

  change(key, value) {
    this.state[key] = value;
    this.ask();
  }

  /** The page's data, drawing or seed changed. */
  pageChanged(what) {
    if (what === 'data') {
      this.model = this.modelFor(this.page.data);
      this.variants();
      this.adapt();
    } else if (!this.uses(what)) return;
    if (this.awake) this.ask();
  }

  /** Asks for a state that came as a whole. */
  refresh() {
    return this.ask();
  }

  ask() {
    return this.asks(this.question());
  }

  receive(answer, state) {
    if (this.excused === true) this.excused = state;
    if (!this.excused || !same(this.excused, state)) {
      this.excused = null;
      for (const one of Object.values(this.controls)) one.refuse('');
      this.trouble.textContent = '';
    }
    if (answer.error) return this.refuse(answer, state);
    if (this.page.owns('seed') && 'seed' in state) this.page.judgeSeed(state.seed);
    this.good = state;
    this.linked = null;
    this.answer = answer;
    this.page.light(this, answer);
    for (const view of this.views) view.show(answer[view.options.key], answer);
    this.filled(state);
  }

  /** What belongs to a state is on show. */
  filled(state) {
    this.classList.add('gm-filled');
    this.dispatchEvent(new CustomEvent('gm-change', { bubbles: true, detail: { section: this.spec.key, state } }));
  }

  /** The reason stands beside the field, which shows its last good value again. */
  refuse({ error, field }, state = {}) {
    if (field === 'seed' && this.page.owns(field)) return this.page.judgeSeed(state.seed, error);
    const one = this.controls[field];
    const last = this.good[field] ?? this.starts[field];
    if (last === undefined) delete this.state[field];
    else this.state[field] = last;
    if (!one) return (this.trouble.textContent = error);
    one.refuse(error);
    const more = one.element.closest('.gm-more');
    if (more) more.open = true;
    one.set(last ?? this.fit(field).default);
  }
}

/** A section whose answers come step by step: Run, Stop, and the views are shown each of them. */
export class Work extends Section {
  layOutControls() {
    super.layOutControls();
    this.layOutRun(() => this.ask());
  }

  /** The sections below may go on as soon as its first answer is there. */
  wake() {
    this.awake = true;
    return new Promise((begun, failed) => {
      this.begun = begun;
      this.ask().then(begun, failed);
    });
  }

  receive(answer, state) {
    super.receive(answer, state);
    this.begun?.();
  }

  change(key, value, final = true) {
    this.state[key] = value;
    if (final) this.ask();
  }

  stop() {
    if (this.running) this.progress.textContent = this.left() || stopped();
    this.running?.abort();
    this.running = null;
    this.halt.disabled = true;
  }

  /** What is to be said where the steps on show were the last of their run, how far it was; "" if none is under way. */
  left() {
    const going = this.running && this.answer && !this.answer.complete;
    return going ? stopped(this.far) : '';
  }

  /** Where the answer to a state is computed: what takes seconds doesn't keep others from what doesn't. */
  laneOf(state) {
    const [key, value] = this.spec.heavyFrom ?? [];
    return key && state[key] >= value ? 'heavy' : this.spec.lane;
  }

  async ask() {
    const left = this.left(); // stays on show if this is refused
    this.running?.abort();
    const mine = (this.running = new AbortController());
    const state = this.question();
    this.far = '';
    this.halt.disabled = false;
    this.progress.textContent = 'Starting …';
    for (const view of this.views) view.begin?.(state);
    const waits = (said) => (this.running === mine ? (this.progress.textContent = said) : null);
    for await (const answer of this.page.backend.follow(this.spec.key, state, mine.signal, this.laneOf(state), waits)) {
      if (this.running !== mine) return;
      this.receive(answer, state);
      this.far = answer.progress ?? this.far;
      if (!answer.error) this.progress.textContent = answer.progress ?? (answer.complete ? 'Done' : '');
      else this.progress.textContent = left;
    }
    if (this.running !== mine) return;
    this.halt.disabled = true;
    this.running = null;
  }
}

customElements.define('gm-section', Section);
customElements.define('gm-work', Work);
