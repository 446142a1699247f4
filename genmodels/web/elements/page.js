// The page: the families' tabs, the address, and what all of them share.
import { make } from './controls.js';
import './tab.js';
import './overview.js';
import './see.js';
import './map.js';
import './second.js';
// autoencoder and gan
import './pipeline.js';
import './board.js';
import './crossed.js';
import './films.js';
// flow and pixelcnn
import './expected.js';
import './likelihood.js';
import './writer.js';
// diffusion
import './denoiser.js';
import './noise.js';
import './solver-grid.js';
import './steps.js';
import './hub.js';
// all families
import './table.js';
import './plot.js';
import './compare.js';

export class Page extends HTMLElement {
  spec = null;
  backend = null;
  data = null;
  seed = 0;
  picture = null; // a drawing travels from tab to tab

  connectedCallback() {
    if (this.laidOut) return;
    this.laidOut = true;
    this.join(new URLSearchParams(location.search).get('model')).then(() => this.layOut());
  }

  /** A link's model of the Hub joins the page's; what it says of a model that can't be, its section tells. */
  async join(model) {
    if (!model?.includes('/') || this.spec.facts[model]) return;
    const { spec } = await this.backend.ask('page.hub_model', { repo: model });
    if (spec) this.spec = { ...spec, tabs: spec.tabs.filter((tab) => !this.route || tab.key === this.route) };
  }

  layOut() {
    this.classList.add('gm-page');
    const asked = new URLSearchParams(location.search);
    const only = asked.get('only');
    const section = only ?? (asked.get('section') ? `${asked.get('tab')}.${asked.get('section')}` : null);
    const key = only?.split('.')[0] ?? this.route ?? asked.get('tab');
    this.tabs = {};
    for (const [family, { accent }] of Object.entries(this.spec.families))
      if (accent) this.style.setProperty(`--gm-${family}`, `light-dark(${accent.light}, ${accent.dark})`);
    const landmark = this.closest('main') ? 'div' : 'main'; // a document has one
    this.box = make(landmark, { class: 'gm-tabs-box', id: 'gm-content', tabIndex: -1 });
    this.only = this.spec.tabs.some((tab) => tab.sections.some((s) => s.key === only)) ? only : null;
    const state = Object.fromEntries(
      [...asked].filter(([name]) => !['tab', 'section', 'only', '__theme', '__sign', 'view'].includes(name)),
    );
    if (!this.only && !this.route) this.append(this.header());
    this.append(this.box);
    const tab = this.spec.tabs.find((tab) => tab.key === key) ?? this.spec.tabs[0];
    this.open(tab.key, section ?? tab.sections.find((s) => s.models.includes(state.model))?.key ?? null, state);
    history.scrollRestoration = 'manual'; // the address says where to be: the browser's own memory of it comes too late
    addEventListener('popstate', () => this.fromAddress());
    addEventListener('scroll', () => this.scrolled(), { passive: true });
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

  press(key) {
    if (key === this.current) return;
    history.pushState(null, '', address({ tab: key }));
    this.open(key);
    scrollTo({ top: 0 });
  }

  open(key, section = null, state = {}) {
    this.current = key;
    if (!this.tabs[key]) {
      const tab = document.createElement('gm-tab');
      Object.assign(tab, {
        spec: this.spec.tabs.find((one) => one.key === key),
        page: this,
        only: this.only,
        id: `panel-${key}`,
      });
      tab.setAttribute('role', 'tabpanel');
      tab.setAttribute('aria-labelledby', `tab-${key}`);
      this.data = this.spec.facts[state.model]?.data ?? state.data ?? this.data;
      this.tabs[key] = tab;
      this.box.append(tab);
      if (section) this.restore(tab, section, state);
    }
    for (const [name, tab] of Object.entries(this.tabs)) tab.hidden = name !== key;
    for (const button of this.list?.children ?? []) {
      button.setAttribute('aria-selected', String(button.value === key));
      button.tabIndex = button.value === key ? 0 : -1;
    }
    if (section && !this.only) requestAnimationFrame(() => this.tabs[key].goTo(section));
  }

  /** A state from the address: numbers are numbers there, too. */
  restore(tab, key, state) {
    const section = tab.sections?.find((one) => one.spec.key === key);
    if (!section || !Object.keys(state).length) return;
    const isNumber = (name, text) =>
      ['real', 'whole', 'seed'].includes(section.spec.fields[name]?.kind) && text !== '' && !Number.isNaN(Number(text));
    const typed = Object.fromEntries(Object.entries(state).map(([name, text]) => [name, isNumber(name, text) ? Number(text) : text]));
    if ('seed' in typed && tab.owns('seed')) tab.seed = typed.seed; // one for the tab: the section's answer says whether it can be
    section.restore(typed);
    tab.seedControl?.set(tab.seed);
  }

  fromAddress() {
    const asked = new URLSearchParams(location.search);
    const key = asked.get('tab') ?? this.spec.tabs[0].key;
    if (!this.spec.tabs.some((tab) => tab.key === key)) return;
    const section = asked.get('section');
    this.open(key, section && `${key}.${section}`);
    if (!section) scrollTo({ top: 0 });
  }

  /** The address follows what is read, without a step for Back. */
  wrote(tab, section) {
    if (this.only || this.route || tab !== this.current) return;
    history.replaceState(null, '', address(section ? { tab, section } : { tab }));
  }
}

function address(values) {
  const now = new URLSearchParams(location.search);
  const kept = now.get('__theme') ? { __theme: now.get('__theme') } : {};
  return `?${new URLSearchParams({ ...values, ...kept })}`;
}

customElements.define('gm-page', Page);
