// A tab: a family's diagram and sentence, its data switch, pad and seed, which its sections share, and the sections.
import { chosen, control, make } from './controls.js';
import './diagram.js';
import './pad.js';
import './section.js';
import { textOf } from './bytes.js';
import { showPicture } from './picture.js';
import { upload } from './upload.js';

const PHONE = matchMedia('(max-width: 900px)');
const MARGIN = 44; // pixels of the bar beside the link that is read
const SETTLING = 3000; // milliseconds in which the sections above the one that was asked for may still grow

class Tab extends HTMLElement {
  /** @type {object} the tab's spec */ spec = null;
  /** @type {object} gm-page */ page = null;
  only = null; // a section's key, if just that is to be shown
  lesson = null; // see lesson.js

  get backend() {
    return this.page.backend;
  }
  /** What is told of its family; undefined if it is none's. */
  get family() {
    return this.page.spec.families[this.spec.key];
  }
  get hub() {
    return this.only ? null : this.page.spec.hub; // a model of it opens the whole page
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
    const shared = this.panel && this.spec.panel; // else a section's element places it
    const beside = shared && !this.only;
    const column = make('div', { class: 'gm-sections' });
    this.append(
      this.only || specs.length < 2 ? '' : this.sectionNav(specs),
      make('div', { class: `gm-body${beside ? ' gm-with-panel' : ''}` }, beside ? this.panel : null, column),
    );
    this.watch = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: '240px 0px' });
    column.append(...this.sections);
    if (shared && this.only) this.sections[0].querySelector('.gm-heading').after(this.panel); // shared with none
    this.addEventListener('gm-change', ({ detail }) => this.answered(detail.section));
    this.append((this.status = make('p', { class: 'gm-unseen', role: 'status' })));
    this.addEventListener('input', ({ target }) => this.seedControl?.element.contains(target) || this.seedControl?.refuse('')); // it's over
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
        this.start(),
      ),
      this.diagram,
    );
  }

  /** The button that leads to what is to be tried first. */
  start() {
    const first = this.spec.sections.length > 1 && this.spec.sections.find(({ key }) => key === `${this.spec.key}.${this.spec.start}`);
    const go = () => this.goTo(first.key, true);
    return first ? make('button', { type: 'button', class: 'gm-button gm-primary gm-start', textContent: first.title, onclick: go }) : null;
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
    this.nav = make('nav', { class: 'gm-section-nav', 'aria-label': 'Sections' }, ...this.links, this.menu);
    const more = () => this.nav.classList.toggle('gm-more', this.nav.scrollLeft + this.nav.clientWidth < this.nav.scrollWidth - 2);
    this.nav.addEventListener('scroll', more, { passive: true });
    new ResizeObserver(more).observe(this.nav);
    return this.nav;
  }

  /** Scrolls the bar of sections until a link lies within it. */
  showLink({ offsetLeft, offsetWidth }) {
    const { scrollLeft, clientWidth } = this.nav;
    const [start, end] = [offsetLeft - MARGIN, offsetLeft + offsetWidth + MARGIN];
    if (start < scrollLeft) this.nav.scrollLeft = start;
    else if (end > scrollLeft + clientWidth) this.nav.scrollLeft = end - clientWidth;
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
      this.pad.addEventListener('gm-input', () => {
        this.padTrouble.textContent = '';
        this.drawn(this.pad.props.value);
      });
      this.upload = make(
        'label',
        { class: 'gm-button gm-upload' },
        'Upload a picture',
        make('input', { type: 'file', accept: 'image/*', onchange: ({ target }) => chosen(target, (file) => this.bring(file)) }),
      );
      this.padTrouble = make('p', { class: 'gm-trouble', role: 'alert' });
      const inside = make('div', { class: 'gm-pad-drawer', data: { key: 'pad' } }, this.pad, this.upload, this.padTrouble);
      panel.append(this.spec.panel && !this.only ? this.drawer(inside) : inside);
    }
    if (uses('seed')) {
      this.seedControl = control(
        'seed',
        { kind: 'seed', label: 'Seed', info: 'The same seed gives the same picture.' },
        { default: this.seed, low: 0, high: 2 ** 31 - 1 },
        (value) => this.reseed(value),
      );
      this.seedControl.element.dataset.key = 'seed';
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
    return make('div', { class: 'gm-control', data: { key: 'data' } }, make('span', { class: 'gm-label', textContent: 'Pictures' }), box);
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

  /** What a link says of a section, once it has been checked; what the sections share goes to all of them. */
  adopt(section, { seed, picture, hidden, ...own }) {
    const data = own.data ?? this.facts[own.model ?? section.model]?.data;
    if (data && data !== this.data) this.pick?.(data);
    if (seed !== undefined) {
      this.seed = this.page.seed = seed;
      this.seedControl.set(seed);
      this.tell('seed', section);
    }
    if (picture !== undefined) {
      const { shape } = this.facts[own.model ?? section.model];
      this.pad.props.value = { pixels: picture, mask: hidden ?? this.firstMask(shape), shape };
      this.drawn(this.pad.props.value, section);
    }
    section.restore(own);
  }

  /** A link that can't be: the reason stands beside the field, and the default is shown. */
  excuse(section, refusal) {
    section.excuse(refusal);
    if (this.owns(refusal.field)) this.seedControl.refuse(refusal.error);
    this.write();
  }

  /** A drawing by its short name, if it is an example. */
  named(kind, value) {
    if (kind === 'hidden') return this.picture && value === lowerHalf(this.picture.shape) ? 'lower half' : value;
    const strips = kind === 'drawing' ? (this.pad?.props.strips ?? []) : [];
    const place = (strip) => strip?.pictures.findIndex((picture) => picture.pixels === value) ?? -1;
    const [ours, others] = [place(strips[0]), place(strips.at(-1))];
    return ours >= 0 ? `#${ours}` : others >= 0 ? `#-${others + 1}` : value;
  }

  /** What a section takes from here; a picture only if it is one for its model. */
  shared(key, section) {
    if (key === 'seed') return this.seed;
    if (!this.picture || this.picture.shape.join() !== (this.facts[section.model]?.shape.join() ?? this.shapeNow())) return undefined;
    return key === 'picture' ? this.picture.pixels : this.picture.mask;
  }

  shapeNow() {
    return Object.values(this.facts)
      .find((fact) => fact.data === this.data)
      ?.shape.join();
  }

  /** but: the section that knows already. */
  tell(what, but = null) {
    for (const section of this.sections) if (section !== but) section.pageChanged(what);
  }

  choose(data) {
    this.page.data = this.data = data;
    if (this.pad) Object.assign(this.pad.props, { background: this.background(), centre: data === 'mnist' });
    this.picture = null;
    this.tell('data');
    if (this.usesPicture) this.examples();
  }

  drawn(value, but) {
    this.showThumb(value);
    this.page.picture = this.picture = value;
    this.tell('picture', but);
  }

  /** A picture from somewhere else: a sheet, a gallery, another tab. */
  take({ pixels, shape }) {
    if (!this.pad) return;
    const of = (name) =>
      Object.values(this.facts)
        .find((fact) => fact.data === name)
        .shape.join();
    if (shape.join() !== this.shapeNow()) this.pick?.(this.datasets.find((name) => of(name) === shape.join()) ?? this.data);
    const mask = this.covers() ? (this.picture ?? this.pad.props.value)?.mask : '';
    const value = { pixels: typeof pixels === 'string' ? pixels : textOf(pixels), mask, shape };
    this.pad.props.value = value;
    this.drawn(value);
    this.status.textContent = '';
    requestAnimationFrame(() => (this.status.textContent = 'It is on the pad now.')); // again, if it is said twice
  }

  /** Whether a section finishes what is hidden: then the lower half of what comes new to the pad is. */
  covers() {
    return this.pad.props.tools.includes('keep');
  }

  firstMask(shape) {
    return this.covers() ? lowerHalf(shape) : '';
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

  /** A file's picture onto the pad; what is wrong with it, if it can't be. */
  async bring(file) {
    this.padTrouble.textContent = '';
    const model = Object.entries(this.facts).find(([, fact]) => fact.data === this.data)[0];
    const answer = await upload(this.backend, 'page.upload', model, file);
    if (answer.error) this.padTrouble.textContent = answer.error;
    else this.take(answer);
    return answer.error;
  }

  // -- seeing and going ------------------------------------------------------------------------------------------------

  /** Runs `then` when the section comes near the screen; one at a time, in the order of the page. */
  whenSeen(section, then) {
    section.first = then;
    section.classList.add('gm-later'); // what nobody sees does not move either
    this.watch.observe(section);
  }

  seen(entries) {
    const near = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
    near.sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
    for (const section of near) {
      this.watch.unobserve(section);
      section.classList.remove('gm-later');
      this.next(() => section.first());
    }
    this.chosen();
  }

  /** One after the other, so that the first picture has the cores to itself. */
  next(task) {
    this.chain = (this.chain ?? Promise.resolve()).then(task).catch((error) => console.error(error)); // the others go on
    return this.chain;
  }

  /** Marks the section that is read now. */
  chosen() {
    if (!this.links) return;
    const line = 160;
    const top = (section) => section.getBoundingClientRect().top;
    if (this.held && (top(this.held) > innerHeight || top(this.held) < -line)) this.held = null;
    const now = this.held ?? [...this.sections].reverse().find((section) => top(section) <= line) ?? this.sections[0];
    this.read = -top(now); // pixels of it that are above the window
    if (this.current === now) return;
    this.current = now;
    this.sections.forEach((section, i) => this.links[i].setAttribute('aria-current', section === now ? 'true' : 'false'));
    this.showLink(this.links[this.sections.indexOf(now)]);
    this.menu.value = now.spec.key;
    this.lesson?.apply();
    this.write();
  }

  /** The address says which section is read, and its state. */
  write() {
    if (!this.current) return;
    const told = { ...this.current.told(), ...this.current.taught };
    const first = this.current === this.sections[0] && !Object.keys(told).length;
    this.page.wrote(this.spec.key, first ? {} : { section: this.current.spec.key.split('.')[1], ...told });
  }

  answered(key) {
    if (key === this.current?.spec.key) this.writeSoon();
    if (this.held && performance.now() < this.heldSince + SETTLING) this.held.scrollIntoView({ block: 'start' });
  }

  /** Once what changes it rests: browsers take no more than a few addresses a second. */
  writeSoon() {
    clearTimeout(this.writing);
    this.writing = setTimeout(() => this.write(), 300);
  }

  /** What would be written soon: before another page comes, as Back leads here again. */
  writeNow() {
    clearTimeout(this.writing);
    this.write();
  }

  goTo(key, focus) {
    const section = this.sections?.find((one) => one.spec.key === key || one.spec.key.split('.')[1] === key);
    if (!section) return false;
    this.hold(section);
    if (focus) section.querySelector('h2')?.focus({ preventScroll: true });
    this.chosen();
    return true;
  }

  /**
   * Brings a section to the top. It is the one that is read, even where the page ends too soon for that, until the visitor
   * moves on; and for a while what fills above it doesn't push it away.
   */
  hold(section) {
    this.held = section;
    this.heldSince = performance.now();
    section.scrollIntoView({ block: 'start' });
  }

  /** The window has another width, and all sections other heights: the one that is read stays, as far down as it was. */
  reflow() {
    if (!this.current) return;
    const { read, current } = this;
    this.hold(current);
    this.heldSince = Number.NEGATIVE_INFINITY;
    const { top, height } = current.getBoundingClientRect();
    scrollBy({ top: top + Math.min(read, height / 2), behavior: 'instant' });
  }

  /** The visitor does something: nothing is moved any more. What is touched is what is read, wherever it lies. */
  release({ type, target } = {}) {
    const touched = type === 'pointerdown' || type === 'keydown' ? target?.closest?.('.gm-section') : null;
    this.held = this.sections?.includes(touched) ? touched : null;
    this.heldSince = Number.NEGATIVE_INFINITY;
    if (this.held && this.held !== this.current) this.chosen(); // else nothing is measured: this is heard at every key
  }

  /** Lights the parts of the machine that a section runs: those that the diagram names for it, or all. */
  light(section) {
    this.diagram?.light(this.diagram.value.lights?.[section.spec.key.split('.')[1]]);
  }

  signature(section) {
    return { Software: `genmodels ${this.page.spec.version}`, section: section.spec.key, ...section.whole() };
  }
}

/** The mask that hides the lower half of a picture. */
function lowerHalf([, height, width]) {
  return textOf(new Uint8Array(width * height).fill(1, Math.floor(height / 2) * width));
}

customElements.define('gm-tab', Tab);
