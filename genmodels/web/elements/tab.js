// A tab: a family's diagram and sentence, its data switch, pad and seed, which its sections share, and the sections.
import { control, make } from './controls.js';
import './diagram.js';
import './pad.js';
import './section.js';
import { textOf } from './bytes.js';
import { showPicture } from './picture.js';

const PHONE = matchMedia('(max-width: 900px)');

export class Tab extends HTMLElement {
  /** @type {object} the tab's spec */ spec = null;
  /** @type {object} gm-page */ page = null;
  only = null; // a section's key, if just that is to be shown

  get backend() {
    return this.page.backend;
  }
  /** What is told of its family; undefined if it is none's. */
  get family() {
    return this.page.spec.families[this.spec.key];
  }
  get hub() {
    return this.page.spec.hub;
  }

  isFirst(section) {
    return this.sections[0] === section;
  }

  get facts() {
    return this.page.spec.facts;
  }

  connectedCallback() {
    if (this.laidOut) return;
    this.laidOut = true;
    this.classList.add('gm-tab');
    const specs = this.spec.sections.filter((s) => !this.only || s.key === this.only);
    if (this.family?.accent) this.style.setProperty('--gm-accent', `var(--gm-${this.spec.key})`);
    const models = [...new Set(specs.flatMap((s) => s.models))];
    this.datasets = [...new Set(models.map((name) => this.facts[name].data))];
    this.data = this.datasets.includes(this.page.data) ? this.page.data : this.datasets[0];
    this.seed = this.page.seed;
    if (!specs.length)
      return this.append(
        make('p', {
          class: 'gm-empty',
          textContent: 'No trained model of this family is installed: make one with “python -m genmodels train”.',
        }),
      );
    if (!this.only) this.append(this.head());
    this.panel = this.layOutPanel(specs);
    this.sections = specs.map((spec) => {
      const section = document.createElement(spec.element);
      Object.assign(section, { spec, page: this });
      return section;
    });
    const beside = this.panel && this.spec.panel; // else a section's element places it
    const column = make('div', { class: 'gm-sections' });
    this.append(
      this.only ? '' : this.sectionNav(specs),
      make('div', { class: `gm-body${beside ? ' gm-with-panel' : ''}` }, beside ? this.panel : null, column),
    );
    this.watch = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: '240px 0px' });
    column.append(...this.sections);
    if (!this.only && this.family) this.append(this.about());
    if (this.usesPicture) this.examples();
  }

  // -- layout ----------------------------------------------------------------------------------------------------------

  head() {
    if (this.family) this.diagram = Object.assign(document.createElement('gm-diagram'), { value: this.family.diagram });
    return make(
      'div',
      { class: 'gm-tab-head' },
      make(
        'div',
        {},
        make('h1', { textContent: this.spec.heading, tabIndex: -1 }),
        make('p', { class: 'gm-objective', textContent: this.spec.objective }),
      ),
      this.diagram,
    );
  }

  sectionNav(specs) {
    this.links = specs.map((spec) =>
      make('a', {
        href: `?tab=${this.spec.key}&section=${spec.key.split('.')[1]}`,
        textContent: spec.title,
        onclick: (event) => {
          event.preventDefault();
          this.goTo(spec.key, true);
        },
      }),
    );
    this.menu = make(
      'select',
      { 'aria-label': 'Section', onchange: () => this.goTo(this.menu.value, true) },
      ...specs.map((spec) => make('option', { value: spec.key, textContent: spec.title })),
    );
    return make('nav', { class: 'gm-section-nav', 'aria-label': 'Sections' }, ...this.links, this.menu);
  }

  layOutPanel(specs) {
    const uses = (key) => specs.some((s) => key in s.fields);
    this.usesPicture = uses('picture');
    const panel = make('aside', { class: 'gm-panel', 'aria-label': 'Shared by the sections' });
    if (this.datasets.length > 1) panel.append(this.dataSwitch());
    if (this.usesPicture) {
      const tools = new Set(specs.flatMap((s) => s.fields.picture?.tools ?? []));
      this.pad = document.createElement('gm-pad');
      Object.assign(this.pad.props, {
        tools: [...tools],
        label: 'Your picture',
        background: this.background(),
        centre: this.data === 'mnist',
        strips: [],
      });
      this.pad.addEventListener('gm-input', () => this.drawn(this.pad.props.value));
      this.upload = make(
        'label',
        { class: 'gm-button gm-upload' },
        'Upload a picture',
        make('input', { type: 'file', accept: 'image/*', onchange: (event) => this.uploaded(event.target) }),
      );
      this.padTrouble = make('p', { class: 'gm-trouble', role: 'alert' });
      const inside = make('div', { class: 'gm-pad-drawer' }, this.pad, this.upload, this.padTrouble);
      panel.append(this.spec.panel ? this.drawer(inside) : inside);
    }
    if (uses('seed')) {
      this.seedControl = control(
        'seed',
        { kind: 'seed', label: 'Seed', info: 'The same seed gives the same picture.' },
        { default: this.seed, low: 0, high: 2 ** 31 - 1 },
        (value) => this.reseed(value),
      );
      panel.append(this.seedControl.element);
    }
    return panel.children.length ? panel : null;
  }

  /** Beside the sections on a wide screen; on a phone a sheet at the bottom, which a bar with the picture opens. */
  drawer(inside) {
    this.thumb = make('canvas', {
      width: 28,
      height: 28,
      class: 'gm-thumbnail',
      role: 'img',
      'aria-label': 'Your picture, small',
    });
    const bar = make('summary', {}, this.thumb, make('span', { textContent: 'Your picture: draw, choose, upload' }));
    const drawer = make('details', { class: 'gm-drawer', open: !PHONE.matches }, bar, inside);
    PHONE.addEventListener('change', () => (drawer.open = !PHONE.matches));
    return drawer;
  }

  showThumb(picture) {
    if (this.thumb && picture?.pixels) showPicture(this.thumb, picture);
  }

  dataSwitch() {
    const titles = Object.fromEntries(Object.values(this.facts).map((fact) => [fact.data, fact.title]));
    const pick = (name, focus) => {
      this.choose(name);
      for (const b of box.children) {
        b.setAttribute('aria-checked', String(b.value === name));
        b.tabIndex = b.value === name ? 0 : -1;
        if (focus && b.value === name) b.focus();
      }
    };
    const box = make(
      'div',
      { class: 'gm-seg', role: 'radiogroup', 'aria-label': 'Pictures' },
      ...this.datasets.map((name) =>
        make('button', {
          type: 'button',
          role: 'radio',
          value: name,
          textContent: titles[name],
          'aria-checked': String(name === this.data),
          tabIndex: name === this.data ? 0 : -1,
          onclick: () => pick(name),
        }),
      ),
    );
    box.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      pick(this.datasets[(this.datasets.indexOf(this.data) + step + this.datasets.length) % this.datasets.length], true);
    });
    this.pick = pick;
    return make('div', { class: 'gm-control' }, make('span', { class: 'gm-label', textContent: 'Pictures' }), box);
  }

  about() {
    const inside = make('div', { class: 'gm-prose' });
    const details = make('details', { class: 'gm-about' }, make('summary', { textContent: 'How it works, and what was measured' }), inside);
    details.addEventListener('toggle', async () => {
      if (!details.open || inside.firstChild) return;
      const answer = await this.backend.ask('page.about', { tab: this.spec.key });
      inside.innerHTML = answer.html ?? '';
    });
    return details;
  }

  // -- what the sections share -----------------------------------------------------------------------------------------

  reseed(value) {
    this.seedControl.refuse('');
    this.seed = value;
    this.tell('seed');
  }

  /** A section's answer with the seed: whether it can be; else the last good one stands again, and says why. */
  judgeSeed(value, reason) {
    if (value !== this.seed) return;
    if (!reason) return (this.page.seed = value);
    this.seed = this.page.seed;
    this.seedControl.set(this.seed);
    this.seedControl.refuse(reason);
    this.tell('seed');
  }

  background() {
    return Object.values(this.facts).find((fact) => fact.data === this.data)?.background ?? 255;
  }

  owns(key) {
    return key === 'seed' && Boolean(this.seedControl);
  }

  shared(key) {
    if (key === 'seed') return this.seed;
    const shape = this.picture?.shape?.join();
    if (!this.picture || shape !== this.shapeNow()) return undefined;
    return key === 'picture' ? this.picture.pixels : this.picture.mask;
  }

  shapeNow() {
    return Object.values(this.facts)
      .find((fact) => fact.data === this.data)
      ?.shape.join();
  }

  tell(what) {
    for (const section of this.sections) section.pageChanged(what);
  }

  choose(data) {
    this.page.data = this.data = data;
    if (this.pad) Object.assign(this.pad.props, { background: this.background(), centre: data === 'mnist' });
    this.picture = null;
    this.tell('data');
    if (this.usesPicture) this.examples();
  }

  drawn(value) {
    this.showThumb(value);
    this.page.picture = this.picture = value;
    this.tell('picture');
  }

  /** A picture from somewhere else: a sheet, a gallery, another tab. */
  take({ pixels, shape }) {
    if (!this.pad) return;
    const mask = this.covers() ? (this.picture ?? this.pad.props.value)?.mask : '';
    const value = { pixels: typeof pixels === 'string' ? pixels : textOf(pixels), mask, shape };
    this.pad.props.value = value;
    this.drawn(value);
  }

  /** Whether a section finishes what is hidden: then the lower half of what comes new to the pad is. */
  covers() {
    return this.pad.props.tools.includes('keep');
  }

  firstMask([, height, width]) {
    return this.covers() ? textOf(new Uint8Array(width * height).fill(1, Math.floor(height / 2) * width)) : '';
  }

  async examples() {
    const model = Object.entries(this.facts).find(
      ([name, fact]) => fact.data === this.data && this.spec.sections.some((s) => s.models.includes(name)),
    )?.[0];
    const answer = await this.backend.ask('page.examples', { model });
    if (answer.error || this.facts[model].data !== this.data) return;
    this.pad.props.strips = answer.strips;
    const former = this.page.picture;
    if (former && former.shape.join() === this.shapeNow() && this.picture !== former) {
      const value = { ...former, mask: this.firstMask(former.shape) };
      this.pad.props.value = value;
      this.drawn(value);
    } else if (!this.picture) {
      const first = answer.strips[0].pictures[0];
      this.pad.props.value = { pixels: first.pixels, shape: first.shape, mask: this.firstMask(first.shape) };
      this.showThumb(first);
    }
  }

  async uploaded(input) {
    const [file] = input.files;
    input.value = '';
    if (!file) return;
    this.padTrouble.textContent = '';
    const model = Object.entries(this.facts).find(([, fact]) => fact.data === this.data)[0];
    const answer =
      file.size > 10e6
        ? { error: 'The file is too large; at most 10 MB are allowed.' }
        : await this.backend.ask('page.upload', { model, file: textOf(new Uint8Array(await file.arrayBuffer())) });
    if (answer.error) this.padTrouble.textContent = answer.error;
    else this.take(answer);
  }

  // -- seeing and going ------------------------------------------------------------------------------------------------

  /** Runs `then` when the section comes near the screen; one at a time, in the order of the page. */
  whenSeen(section, then) {
    section.first = then;
    this.watch.observe(section);
  }

  seen(entries) {
    const near = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
    near.sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
    for (const section of near) {
      this.watch.unobserve(section);
      this.chain = (this.chain ?? Promise.resolve()).then(() => section.first()).catch((error) => console.error(error)); // the others go on
    }
    this.chosen();
  }

  /** Marks the section that is read now. */
  chosen() {
    if (!this.links) return;
    const line = 160;
    const now = [...this.sections].reverse().find((section) => section.getBoundingClientRect().top <= line) ?? this.sections[0];
    if (this.current === now) return;
    this.current = now;
    this.sections.forEach((section, i) => this.links[i].setAttribute('aria-current', section === now ? 'true' : 'false'));
    this.menu.value = now.spec.key;
    this.page.wrote(this.spec.key, now === this.sections[0] ? null : now.spec.key.split('.')[1]);
  }

  goTo(key, focus) {
    const section = this.sections?.find((one) => one.spec.key === key || one.spec.key.split('.')[1] === key);
    if (!section) return false;
    section.scrollIntoView({ block: 'start' });
    if (focus) section.querySelector('h2')?.focus({ preventScroll: true });
    this.chosen();
    return true;
  }

  /** Lights the parts of the machine that a section runs: those that the diagram names for it, or all. */
  light(section) {
    this.diagram?.light(this.diagram.value.lights?.[section.spec.key.split('.')[1]]);
  }

  signature(section) {
    const state = section.good ?? section.question();
    return { Software: `genmodels ${this.page.spec.version}`, section: section.spec.key, ...state };
  }
}

customElements.define('gm-tab', Tab);
