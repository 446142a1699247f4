// The front door: a card for each family, and how they relate.
import { make } from './controls.js';
import { Section } from './section.js';
import { View } from './views.js';

const still = matchMedia('(prefers-reduced-motion: reduce)');

/** A link to a family's tab, which opens in place where the page has it; with a key held it is the browser's. */
export function linkTo(key, page, properties, ...children) {
  const go = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goTo(key, page);
  };
  return make('a', { ...properties, href: `./?tab=${key}`, onclick: go }, ...children);
}

/** Opens a tab, and lets keys and screen readers go on there. */
export async function goTo(key, page) {
  await page.press(key);
  page.querySelector(`#panel-${key} h1`)?.focus({ preventScroll: true });
}

class Cards extends Section {
  layOutViews() {
    const page = this.page.page;
    this.views = [];
    const own = Object.entries(page.spec.families).filter(([, family]) => !family.of); // a card stands for its kin
    const cards = own.map(([key, family]) => this.card(key, family, page));
    this.main.append(make('div', { class: 'gm-family-cards' }, ...cards));
    const done = () => this.classList.contains('gm-filled') || this.filled({});
    if (!this.querySelector('gm-moving')) done();
    for (const event of ['load', 'error']) this.addEventListener(event, done, { capture: true, once: true });
  }

  /** All of it is known: there is nothing to ask. */
  ask() {}

  card(key, { title, heading, diagram, idea, strengths, limits, picture }, page) {
    const words = (list, mark, name) =>
      make('ul', { class: `gm-traits gm-traits-${mark}`, 'aria-label': name }, ...list.map((text) => make('li', { textContent: text })));
    const moving = Object.assign(document.createElement('gm-moving'), { file: key, alt: picture, page });
    return make(
      'article',
      { class: 'gm-family', data: { family: key }, style: `--gm-accent: var(--gm-${key})` },
      picture ? moving : null,
      make(
        'div',
        { class: 'gm-family-text' },
        make('h3', { textContent: heading }),
        make('p', { textContent: idea }),
        Object.assign(document.createElement('gm-diagram'), { value: diagram, compact: true }),
        make('div', { class: 'gm-traits-both' }, words(strengths, 'plus', 'Strengths'), words(limits, 'minus', 'Limits')),
        linkTo(key, page, { class: 'gm-button gm-try', 'aria-label': `Try it: ${title}` }, 'Try it'),
      ),
    );
  }
}

/** A still that moves while it is pointed at or has the focus, and after a tap; never by itself. */
class Moving extends HTMLElement {
  connectedCallback() {
    if (this.image) return;
    this.image = make('img', { alt: this.alt, loading: 'lazy', decoding: 'async', width: 3, height: 1 });
    this.button = make('button', { type: 'button', class: 'gm-moving', 'aria-pressed': 'false', title: 'Play' }, this.image, make('i'));
    this.button.addEventListener('pointerenter', ({ pointerType }) => pointerType === 'mouse' && this.play(!still.matches));
    this.button.addEventListener('pointerleave', ({ pointerType }) => pointerType === 'mouse' && this.play(false));
    this.button.addEventListener('focus', () => this.button.matches(':focus-visible') && this.play(!still.matches));
    this.button.addEventListener('blur', () => this.play(false));
    this.button.addEventListener('click', (event) => event.pointerType !== 'mouse' && this.play(!this.plays));
    this.append(this.button);
    this.play(false);
  }

  play(on) {
    this.plays = on;
    const { backend, spec } = this.page;
    this.image.src = `${backend.root}/pictures/${this.file}${on ? '' : '-still'}.webp?${spec.version}`;
    this.button.setAttribute('aria-pressed', String(on));
  }
}

/** Who can do what: {columns: [{key, title, question}], rows: {family: {key: {much: 0 to 2, word}}}}. */
class Relations extends View {
  show({ columns, rows } = {}) {
    if (!rows) return;
    const page = this.closest('gm-page');
    const head = columns.map(({ title, question }) =>
      make('th', { scope: 'col' }, make('b', { textContent: title }), make('span', { textContent: question })),
    );
    const body = Object.entries(rows).map(([key, cells]) =>
      make(
        'tr',
        { data: { family: key }, style: `--gm-accent: var(--gm-${key})` },
        make('th', { scope: 'row' }, linkTo(key, page, { textContent: page.spec.families[key]?.title ?? key })),
        ...columns.map(({ key: asked }) => {
          const { much, word } = cells[asked];
          return make('td', { data: { much } }, make('i', { 'aria-hidden': 'true' }), make('span', { textContent: word }));
        }),
      ),
    );
    const empty = make('td', { 'aria-hidden': 'true' });
    this.replaceChildren(
      make(
        'table',
        { class: 'gm-relations' },
        make('caption', { class: 'gm-unseen', textContent: 'What each family can do' }),
        make('thead', {}, make('tr', {}, empty, ...head)),
        make('tbody', {}, ...body),
      ),
    );
    this.classList.add('gm-filled');
  }
}

customElements.define('gm-cards', Cards);
customElements.define('gm-moving', Moving);
customElements.define('gm-relations', Relations);
