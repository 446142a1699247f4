// The last results of the visit: what the visitor asked for and let stand, each to be shown again, linked to and saved. They
// are kept by this page alone. While something moves nothing is done but to wait for its end.
import { bare } from './address.js';
import { make } from './controls.js';
import { download } from './png.js';

const MOST = 12;
const SETTLED = 1500; // milliseconds after which an answer is a result
const SIDE = 144; // points of a thumbnail
const TOUCHES = ['pointerdown', 'keydown', 'input', 'click'];
const PICTURES = [
  '.gm-sheet:not(.gm-unknown)',
  '.gm-map-picture',
  '.gm-plane',
  '.gm-photo',
  '.gm-films-canvas',
  ':is(.gm-item, .gm-card) canvas',
];

class Results extends HTMLElement {
  /** @type {object} gm-page */ page = null;
  list = []; // the newest first
  last = 0; // when something was touched
  held = false; // whether a pointer is down
  gesture = 0; // counts what the hand does: what comes of one drag is one result

  connectedCallback() {
    this.hidden = true;
    this.strip = make('ol', { class: 'gm-results' });
    this.said = make('span', { class: 'gm-note', role: 'status' });
    this.panel = make('div');
    this.append(make('h2', { textContent: 'Your last results' }), this.said, this.panel, this.strip);
    for (const kind of TOUCHES) this.page.addEventListener(kind, (event) => this.touched(event), { capture: true, passive: true });
    for (const end of ['pointerup', 'pointercancel']) addEventListener(end, () => (this.held = false), { capture: true, passive: true });
    this.page.addEventListener('gm-change', ({ target }) => this.changed(target));
  }

  /** Which section the visitor is at: the one that is touched or, at what the sections share, the one that is read. */
  touched({ type, target, timeStamp }) {
    const tab = this.page.tabs[this.page.current];
    const section = target.closest('.gm-section') ?? (target.closest('.gm-panel') && tab.current);
    if (!section) return;
    if (type === 'pointerdown' || (!this.held && timeStamp > this.last + SETTLED)) this.gesture += 1;
    this.held ||= type === 'pointerdown';
    this.last = timeStamp;
    this.section = section;
  }

  changed(section) {
    if (section !== this.section) return;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.keep(section), SETTLED);
  }

  keep(section) {
    const canvas = section.main.querySelector(PICTURES.join());
    const unfinished = section.answer?.complete === false || section.halt?.disabled === false;
    if (!canvas || unfinished || !section.isConnected) return;
    const info = section.page.signature(section);
    const told = JSON.stringify(info);
    if (this.list.some((one) => one.told === told)) return;
    const { Software, section: key, ...state } = info;
    const one = { told, key, state, info, gesture: this.gesture, picture: scaled(canvas, canvas.width, canvas.height) };
    one.element = this.item(one, section.spec);
    const [last] = this.list;
    const moved = last?.key === key && last.gesture === this.gesture;
    this.list = [one, ...this.list.slice(moved ? 1 : 0)].slice(0, MOST);
    this.strip.replaceChildren(...this.list.map(({ element }) => element));
    this.hidden = this.list.length < 2;
  }

  // -- what can be done with one ------------------------------------------------------------------------------------------

  item(one, { title, fields }) {
    const { tabs, families } = this.page.spec;
    const [tab] = one.key.split('.');
    const words = Object.entries(one.state).filter(
      ([name, value]) => fields[name] && value && !['drawing', 'hidden'].includes(fields[name].kind),
    );
    const what = `${tabs.find(({ key }) => key === tab).title}: ${title}`;
    const long = [what, ...words.map(([name, value]) => `${fields[name].label.toLowerCase()} ${value}`)].join(', ');
    const small = Math.min(1, SIDE / Math.max(one.picture.width, one.picture.height));
    const again = make(
      'button',
      {
        type: 'button',
        class: 'gm-result',
        title: long,
        'aria-label': `Show again: ${long}`,
        onclick: () => this.page.visit(one.key, one.state),
      },
      scaled(one.picture, one.picture.width * small, one.picture.height * small),
    );
    const link = make('button', {
      type: 'button',
      class: 'gm-link-button',
      textContent: 'Link',
      'aria-label': `Copy link: ${long}`,
      onclick: () => this.copy(one),
    });
    const save = make('button', {
      type: 'button',
      class: 'gm-icon gm-save',
      title: 'Download as PNG',
      'aria-label': `Download: ${long}`,
      onclick: () => this.save(one),
    });
    const accent = families[tab]?.accent ? `--gm-accent: var(--gm-${tab})` : '';
    return make(
      'li',
      { style: accent },
      again,
      make('span', { class: 'gm-result-title', textContent: title }),
      make('div', {}, link, save),
    );
  }

  async copy({ key, state }) {
    this.said.textContent = '';
    const { addressOf, copied } = await import('./links.js');
    const field = await copied(addressOf(this.page, key, state), (text) => (this.said.textContent = text));
    this.panel.replaceChildren(...(field ? [field] : []));
  }

  save({ picture, info }) {
    const name = `${bare(info.model ?? info.data) ?? 'genmodels'}_${info.seed ?? ''}.png`;
    download(picture, Math.max(1, Math.min(16, Math.floor(1024 / picture.width))), info, name.replace('_.', '.'));
  }
}

/** A copy of a picture, of another size. */
function scaled(canvas, width, height) {
  const copy = make('canvas', { width: Math.ceil(width), height: Math.ceil(height), 'aria-hidden': 'true' });
  const pen = copy.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(canvas, 0, 0, copy.width, copy.height);
  return copy;
}

customElements.define('gm-results', Results);

/** Begins to collect the results of a page, with the touch that made it necessary. */
export function collect(page, touch) {
  if (page.querySelector('gm-results')) return;
  const results = Object.assign(document.createElement('gm-results'), { page });
  page.querySelector('.gm-foot').append(results);
  results.touched(touch);
}
