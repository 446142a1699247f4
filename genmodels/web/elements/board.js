// The game of finding the generated pictures: cards to pick, by pointer or with the arrow keys and Space, and once the
// visitor has decided, the truth under each and the score of the visit. What is true comes only with the picks.
import { make } from './controls.js';
import { pictureAt, showPicture } from './picture.js';
import { roving } from './roving.js';
import { Section } from './section.js';
import { spoken } from './views.js';

const CARDS = 8;
const HIGHEST = 2 ** 31 - 1;

class Spot extends Section {
  score = { visitor: 0, critic: 0, of: 0 };
  picked = new Set();
  group = 1;

  layOutControls() {
    this.reveal = make('button', {
      type: 'button',
      class: 'gm-button gm-primary',
      textContent: 'Reveal',
      disabled: true,
      onclick: () => this.decide(),
    });
    this.another = make('button', {
      type: 'button',
      class: 'gm-button',
      textContent: 'New round',
      data: { key: 'round' },
      onclick: () => this.deal(),
    });
    super.layOutControls();
  }

  layOutViews() {
    this.views = [];
    this.asked = make('p', { class: 'gm-question', textContent: '\u00a0' });
    this.cards = make('div', { class: 'gm-cards', data: { key: 'picks' }, role: 'group', 'aria-label': 'Pictures to pick' });
    this.rove = roving(this.cards);
    this.result = make('p', { class: 'gm-verdict', role: 'status' });
    const [, h, w] = this.page.facts[this.model].shape;
    this.cards.append(...Array.from({ length: CARDS }, () => make('span', { class: 'gm-card' }, make('canvas', { width: w, height: h }))));
    this.main.append(this.asked, this.cards, make('div', { class: 'gm-pair gm-spot-bar' }, this.reveal, this.another), this.result);
  }

  // -- rounds ----------------------------------------------------------------------------------------------------------

  async wake() {
    this.awake = true;
    await this.refresh();
  }

  /** The round of a link, or any. */
  refresh() {
    return this.state.round === undefined ? this.deal() : this.ask();
  }

  deal() {
    this.starts = { round: Math.floor(Math.random() * HIGHEST) };
    this.state = { ...this.starts };
    return this.ask();
  }

  decide() {
    this.starts = {}; // the round belongs to what is to be seen again
    this.state.picks = [...this.picked].sort((a, b) => a - b);
    this.ask();
  }

  pageChanged(what) {
    if (what !== 'data') return;
    this.model = this.modelFor(this.page.data);
    this.variants();
    if (this.awake) this.deal();
  }

  adapt() {
    super.adapt();
    delete this.state.picks;
  }

  receive(answer, state) {
    super.receive(answer, state);
    if (answer.error) return;
    this.group = answer.group;
    this.answers = answer.answers ?? null;
    if (answer.answers) for (const key of Object.keys(this.score)) this.score[key] += answer[key];
    this.picked = new Set(answer.picks ?? []);
    this.asked.replaceChildren(...spoken(answer.question));
    this.lay(answer.pictures);
    this.sum(answer);
  }

  sum(answer) {
    const { visitor, critic, of } = this.score;
    const before = of > (answer.of ?? 0) ? `This visit: you **${visitor} of ${of}**, the critic **${critic}**.` : '';
    this.result.replaceChildren(...spoken([answer.words ?? '', before].filter(Boolean).join(' ')));
    if (this.answers && document.activeElement === this.reveal) this.another.focus();
    this.reveal.disabled = Boolean(this.answers);
  }

  // -- cards -----------------------------------------------------------------------------------------------------------

  lay(pictures) {
    const held = this.cards.contains(document.activeElement);
    const cards = Array.from({ length: pictures.shape[0] }, (_, i) => this.card(pictureAt(pictures, i), i));
    this.cards.dataset.group = this.group;
    const pairs = Array.from({ length: cards.length / this.group }, (_, i) => cards.slice(i * this.group, (i + 1) * this.group));
    this.cards.replaceChildren(...(this.group > 1 ? pairs.map((pair) => make('div', { class: 'gm-cards-pair' }, ...pair)) : cards));
    this.mark();
    this.rove.settle();
    if (held) this.all[0].focus();
  }

  get all() {
    return [...this.cards.querySelectorAll('.gm-card')];
  }

  card(picture, i) {
    const canvas = make('canvas');
    showPicture(canvas, picture);
    const card = make(
      'button',
      { type: 'button', class: 'gm-card', 'aria-label': `Picture ${i + 1}`, onclick: () => this.pick(i) },
      canvas,
    );
    const answer = this.answers?.[i];
    if (!answer) return card;
    const said = (who, right) => `${who} ${right ? '✓' : '✗'}`;
    card.dataset.truth = answer.sought;
    card.setAttribute('aria-disabled', 'true');
    card.setAttribute(
      'aria-label',
      `Picture ${i + 1}: ${answer.truth}. You were ${answer.visitor ? 'right' : 'wrong'}, the critic was ${answer.critic ? 'right' : 'wrong'}.`,
    );
    card.append(
      make('span', { class: 'gm-card-truth', textContent: answer.truth }),
      make('span', {
        class: 'gm-card-said',
        textContent: `${said('you', answer.visitor)} · ${said('critic', answer.critic)}`,
      }),
    );
    return card;
  }

  pick(i) {
    if (this.answers) return;
    const on = !this.picked.has(i);
    if (this.group > 1) for (let k = i - (i % this.group); k < i - (i % this.group) + this.group; k++) this.picked.delete(k);
    if (on) this.picked.add(i);
    else this.picked.delete(i);
    this.mark();
  }

  mark() {
    this.all.forEach((card, i) => card.setAttribute('aria-pressed', String(this.picked.has(i))));
  }
}

customElements.define('gm-spot', Spot);
