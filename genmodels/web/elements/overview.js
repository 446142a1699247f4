// The front door: a card for each family.
import { make } from './controls.js';
import { Section } from './section.js';

export class Cards extends Section {
  /** All of it is known: there is nothing to ask. */
  ask() {}

  layOutViews() {
    const families = Object.entries(this.page.page.spec.families);
    this.views = [];
    this.classList.add('gm-filled');
    this.main.append(make('div', { class: 'gm-families-grid' }, ...families.map(([key, family]) => card(key, family))));
  }
}

function card(key, { heading, diagram, idea }) {
  const drawn = Object.assign(document.createElement('gm-diagram'), { value: diagram });
  const box = make(
    'article',
    { class: 'gm-family', data: { family: key } },
    make('h3', { textContent: heading }),
    drawn,
    make('p', { textContent: idea }),
    make('a', { class: 'gm-button', href: `?tab=${key}`, textContent: 'Try it' }),
  );
  box.style.setProperty('--gm-accent', `var(--gm-${key})`);
  return box;
}

customElements.define('gm-cards', Cards);
