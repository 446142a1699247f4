// What takes a section away from the page: a row of buttons under it, each of which may open a panel of its own.
import { make } from './controls.js';

/** Their modules are loaded when they are pressed. @type {{title: string, open: (section: object, say: (text: string) => void) => Node | void | Promise<Node | void>}[]} */
const WAYS = [
  { title: 'Copy link', open: async (...at) => (await import('./links.js')).copyLink(...at) },
  { title: 'Embed', open: async (...at) => (await import('./embedding.js')).embed(...at) },
  { title: 'Make a lesson link', open: async (...at) => (await import('./compose.js')).compose(...at) },
];

class Share extends HTMLElement {
  /** @type {object} the gm-section above */ section = null;

  connectedCallback() {
    if (this.firstChild) return;
    this.panel = make('div', { class: 'gm-share-panel', hidden: true });
    this.said = make('span', { class: 'gm-note', role: 'status' });
    const buttons = WAYS.map(({ title, open }) =>
      make('button', { type: 'button', class: 'gm-link-button', textContent: title, onclick: () => this.open(title, open) }),
    );
    this.append(make('div', { class: 'gm-share-ways' }, ...buttons, this.said), this.panel);
  }

  /** Runs a way; its panel is shown until the same button is pressed again. */
  async open(title, way) {
    this.said.textContent = '';
    const again = !this.panel.hidden && this.shown === title;
    const content = again ? null : await way(this.section, (text) => (this.said.textContent = text));
    this.shown = title;
    this.panel.replaceChildren(...(content ? [content] : []));
    this.panel.hidden = !content;
  }
}

customElements.define('gm-share', Share);
