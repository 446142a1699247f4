// The page: the families' tabs, the address, and what all of them share. The elements of its sections are imported beside it.
import { bare, readable, same, stateOf, taughtBy, textOf } from './address.js';
import { chosen, make } from './controls.js';
import './tab.js';

class Page extends HTMLElement {
  spec = null;
  backend = null;
  data = null;
  seed = 0;
  picture = null; // a drawing travels from tab to tab
  query = null; // what is asked for, where that isn't the address: in an article
  home = document.baseURI; // where the whole page is
  missing = {}; // models of the Hub that couldn't join: why
  elements = () => null; // has those of a tab defined, where they don't come with the page: a promise, null if they are there

  connectedCallback() {
    if (this.laidOut) return;
    this.laidOut = true;
    const asked = this.search();
    const lesson = taughtBy(asked) && import('./lesson.js'); // had before the page is laid out, so that nothing hidden is seen
    Promise.all([this.join(asked), lesson])
      .then(() => this.elements(this.tabOf(this.asked().key)))
      .then(() => this.layOut());
  }

  search() {
    return new URLSearchParams(this.query ?? location.search);
  }

  /** A link's models of the Hub join the page's; why one can't, its section tells. @param {URLSearchParams} asked */
  async join(asked) {
    for (const repo of this.strangers(asked)) {
      const { spec, error } = await this.backend.ask('page.hub_model', { repo });
      if (spec) this.spec = { ...spec, tabs: spec.tabs.filter((tab) => !this.route || tab.key === this.route) };
      this.missing[repo] = error;
    }
  }

  /** The models of the Hub that are asked for and aren't here. @param {URLSearchParams} asked */
  strangers(asked) {
    const names = ['model', 'racers'].flatMap((key) => asked.get(key)?.split(',') ?? []).map(bare);
    return [...new Set(names)].filter((name) => name.includes('/') && !this.spec.facts[name]);
  }

  layOut() {
    this.classList.add('gm-page');
    const { only, ...place } = this.asked();
    this.only = only;
    this.classList.toggle('gm-alone', Boolean(only));
    if (only) import('./alone.js').then(({ settle }) => settle(this));
    this.tabs = {};
    for (const [family, { accent }] of Object.entries(this.spec.families))
      if (accent) this.style.setProperty(`--gm-${family}`, `light-dark(${accent.light}, ${accent.dark})`);
    const landmark = this.closest('main') ? 'div' : 'main'; // a document has one
    this.box = make(landmark, { class: 'gm-tabs-box', id: 'gm-content', tabIndex: -1 });
    this.trouble = make('p', { class: 'gm-trouble', role: 'alert' });
    if (!this.only && !this.route) this.append(this.header());
    this.box.append(this.trouble);
    this.append(this.box);
    if (!this.only) this.append(this.foot());
    this.go(place);
    if (this.query === null) this.listen();
  }

  /** To the address, to files that are dropped, and to the visitor who moves on: the page has the window to itself. */
  listen() {
    this.takeFiles();
    history.scrollRestoration = 'manual'; // the address says where to be: the browser's own memory of it comes too late
    addEventListener('popstate', () => this.fromAddress());
    addEventListener('scroll', () => this.scrolled(), { passive: true });
    let width = innerWidth;
    addEventListener('resize', () => {
      if (width === innerWidth) return; // a phone's bar of addresses comes and goes
      width = innerWidth;
      this.tabs[this.current]?.reflow();
    });
    for (const move of ['wheel', 'touchmove', 'keydown', 'pointerdown'])
      addEventListener(move, (event) => this.tabs[this.current].release(event), { passive: true, capture: true });
  }

  /** Marks the section that is read, at most once a frame. */
  scrolled() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.tabs[this.current]?.chosen();
    });
  }

  header() {
    const list = make('div', { class: 'gm-families', role: 'tablist', 'aria-label': 'Pages' });
    for (const tab of this.spec.tabs) {
      list.append(
        make('button', {
          type: 'button',
          role: 'tab',
          id: `tab-${tab.key}`,
          value: tab.key,
          textContent: tab.title,
          'aria-controls': `panel-${tab.key}`,
          onclick: () => this.press(tab.key),
          ...(tab.is_family ? { data: { family: tab.key }, style: `--gm-accent: var(--gm-${tab.key})` } : {}),
        }),
      );
    }
    list.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -99, End: 99 }[event.key];
      if (!step) return;
      event.preventDefault();
      const keys = this.spec.tabs.map((tab) => tab.key);
      const at = Math.abs(step) > 1 ? (step < 0 ? 0 : keys.length - 1) : (keys.indexOf(this.current) + step + keys.length) % keys.length;
      this.press(keys[at]);
      list.children[at].focus();
    });
    this.list = list;
    return make(
      'header',
      { class: 'gm-header' },
      make('a', { class: 'gm-skip', href: '#gm-content', textContent: 'Skip to the demos' }),
      make('div', { class: 'gm-brand' }, make('strong', { textContent: 'genmodels' }), make('span', { textContent: this.spec.purpose })),
      list,
    );
  }

  /** The foot: a way to open a picture for those who can't drag; what comes of the visitor's first touch is collected below it. */
  foot() {
    const field = make('input', {
      type: 'file',
      accept: 'image/*',
      onchange: ({ target }) => chosen(target, (file) => this.openFile(file)),
    });
    const note = 'A picture that was downloaded here brings its section and settings back: drop it anywhere, paste it, or choose it.';
    const open = make('label', { class: 'gm-button gm-upload' }, 'Open a picture', field);
    const collect = async (event) => (await import('./results.js')).collect(this, event);
    for (const touch of ['pointerdown', 'keydown', 'input'])
      this.addEventListener(touch, collect, { once: true, capture: true, passive: true });
    return make(
      'aside',
      { class: 'gm-foot', 'aria-label': 'Your pictures' },
      make('div', {}, open, make('p', { class: 'gm-note', textContent: note })),
    );
  }

  /** Files that are dropped or pasted. */
  takeFiles() {
    const take = (event, data) => {
      if (!data?.types.includes('Files') || event.target.closest?.('textarea, input')) return;
      event.preventDefault();
      if (data.files.length) this.openFile(data.files[0]); // none while they hover
    };
    for (const kind of ['dragover', 'drop']) addEventListener(kind, (event) => take(event, event.dataTransfer));
    addEventListener('paste', (event) => take(event, event.clipboardData));
  }

  async openFile(file) {
    (await import('./dropped.js')).openFile(this, file);
  }

  /** Opens a tab; one that this page doesn't have, or has only a section of, at its own address. */
  async press(key) {
    if (this.only || !this.spec.tabs.some((tab) => tab.key === key)) return this.leave(`./${address({ tab: key })}`);
    this.trouble.textContent = '';
    if (key === this.current) return;
    const elements = this.elements(this.tabOf(key));
    if (elements) await elements;
    this.tabs[this.current]?.writeNow();
    history.pushState(null, '', address({ tab: key }));
    this.open(key);
    scrollTo({ top: 0 });
    this.tabs[key].write();
  }

  /** Another page of the app: in its place, but from the frame of an article in a tab of its own. */
  leave(to) {
    const there = new URL(to, this.home).href;
    if (this.only && (parent !== window || this.query !== null)) open(there, '_blank', 'noopener');
    else location.assign(there);
  }

  /**
   * What the address says: the tab's key, the section's, its state, whether that section is alone (only), whether it is named,
   * and in one sentence what of all this there isn't.
   */
  asked() {
    const asked = this.search();
    const [alone, part] = (asked.get('only') || '').split('.');
    const key = this.route ?? (alone || asked.get('tab'));
    const name = alone ? (part ?? '') : asked.get('section');
    const made = (one) => one.subject === 'model' && one.models.includes(bare(asked.get('model'))); // its own, not a table's
    const home = this.spec.tabs.find((one) => one.sections.some(made));
    const tab = key ? this.spec.tabs.find((one) => one.key === key) : (home ?? this.spec.tabs[0]);
    const sections = tab?.sections ?? [];
    const found = sections.find((one) => one.key === `${tab.key}.${name}`);
    const keys = sections.map((one) => one.key.split('.')[1]);
    let error = '';
    if (!tab) error = `There is no tab “${key.slice(0, 40)}”; the tabs are ${this.spec.tabs.map((one) => one.key).join(', ')}.`;
    else if (name === '') error = `“only” shows one section: ${keys.map((one) => `${tab.key}.${one}`).join(', ')}.`;
    else if (name !== null && !found) error = `${tab.title} has no section “${name.slice(0, 40)}”; its sections are ${keys.join(', ')}.`;
    else if (!key && !home && asked.has('model')) error = this.noModel(bare(asked.get('model')));
    const section = found ?? (error ? null : (sections.find(made) ?? sections[0])); // a state without a section is that of the first
    const state = section ? stateOf(asked, section) : {};
    return {
      key: tab?.key ?? this.spec.tabs[0].key,
      section: section?.key,
      state,
      named: Boolean(found),
      only: alone && found ? found.key : null,
      taught: taughtBy(asked),
      error,
    };
  }

  noModel(name) {
    return this.missing[name] ?? `There is no model “${name.slice(0, 60)}” here.`;
  }

  async go({ key, section, state, named, error, taught }) {
    const elements = this.elements(this.tabOf(key));
    if (elements) await elements;
    this.open(key, named ? section : null, state);
    const restored = this.restore(key, section, state);
    this.teach(key, section, taught);
    this.trouble.textContent = error;
    await restored;
  }

  open(key, section = null, state = {}) {
    this.current = key;
    if (!this.tabs[key]) {
      const tab = document.createElement('gm-tab');
      Object.assign(tab, {
        spec: this.tabOf(key),
        page: this,
        only: this.only,
        id: `panel-${key}`,
      });
      tab.setAttribute('role', 'tabpanel');
      tab.setAttribute('aria-labelledby', `tab-${key}`);
      this.data = this.spec.facts[bare(state.model)]?.data ?? bare(state.data) ?? this.data;
      this.tabs[key] = tab;
      this.box.append(tab);
    }
    for (const [name, tab] of Object.entries(this.tabs)) tab.hidden = name !== key;
    for (const button of this.list?.children ?? []) {
      button.setAttribute('aria-selected', String(button.value === key));
      button.tabIndex = button.value === key ? 0 : -1;
    }
    if (!section) this.tabs[key].release();
    else if (!this.only) requestAnimationFrame(() => this.tabs[key].goTo(section));
  }

  /** A state from the address, checked before any section of the tab asks for a picture: what can't be leaves the default. */
  restore(key, name, state) {
    const tab = this.tabs[key];
    const section = this.sectionOf(key, name);
    const said = textOf(state);
    if (!section || !Object.keys(said).length || same(said, section.told())) return;
    section.linked = said;
    const drawing = ['picture', 'hidden'].filter((one) => section.uses(one)); // they belong together
    if (drawing.some((one) => one in state)) for (const one of drawing) state[one] ??= section.fit(one).default;
    return tab.next(async () => {
      const answer = await this.backend.ask('page.state', { section: name, state });
      const why = this.strangers(new URLSearchParams(said)).map((repo) => this.missing[repo]);
      if (answer.error) tab.excuse(section, { ...answer, error: why.find(Boolean) ?? answer.error });
      else tab.adopt(section, answer.state);
      if (answer.note) section.excuse({ error: answer.note });
      tab.held?.scrollIntoView({ block: 'start' }); // it may have opened
    });
  }

  /** A lesson: what is hidden, fixed and asked in a section. It stays there, and in its address, until another one comes. */
  async teach(key, name, taught) {
    const section = this.sectionOf(key, name);
    if (!section || !taught || (section.taught && same(taught, section.taught))) return;
    section.taught = taught;
    (await import('./lesson.js')).teach(section);
  }

  tabOf(key) {
    return this.spec.tabs.find((one) => one.key === key);
  }

  /** A section of a tab that is laid out, by its whole key. */
  sectionOf(key, name) {
    return this.tabs[key].sections?.find((one) => one.spec.key === name);
  }

  /** The hash of a model's weights, or of those of all models of a data set. */
  weightsOf(subject) {
    return this.spec.facts[subject]?.weights ?? this.spec.weights[subject];
  }

  /** The shape of a model's pictures, or of a data set's. */
  shapeOf(subject) {
    return (this.spec.facts[subject] ?? Object.values(this.spec.facts).find((fact) => fact.data === subject))?.shape;
  }

  /** Goes to a section's state, as an address says it: on this page, or where that section is. */
  visit(key, state) {
    const [tab, section] = key.split('.');
    const query = address({ ...(this.only === key ? { only: key } : { tab, section }), ...state });
    const here = this.only ? this.only === key : this.spec.tabs.some((one) => one.key === tab);
    if (!here || this.strangers(new URLSearchParams(query)).length) return this.leave(`./${query}`);
    this.tabs[this.current]?.writeNow();
    history.pushState(null, '', query);
    return this.fromAddress();
  }

  fromAddress() {
    const place = this.asked();
    const gone = this.go(place);
    if (!place.named) scrollTo({ top: 0 });
    return gone;
  }

  /** The address follows what is read, without a step for Back. */
  wrote(tab, place) {
    if (this.only || this.route || tab !== this.current) return;
    const next = address({ tab, ...place });
    if (next !== location.search) history.replaceState(null, '', next);
  }
}

function address(values) {
  const now = new URLSearchParams(location.search);
  const kept = now.get('__theme') ? { __theme: now.get('__theme') } : {};
  return readable(new URLSearchParams({ ...values, ...kept }));
}

customElements.define('gm-page', Page);
