// The board of "spot the fake": pictures to click. Its value is the list of picked positions, from 0.
// Prop round: {pictures: [{pixels, shape}], group, sought, answers}. group 2: one picture of each pair can be picked.
// Until the round is revealed, answers is null and nothing here tells which pictures are sought; then it is
// [{truth, visitor, critic}]: the truth in a word, and whether visitor and critic were right.
import { Piece } from './piece.js';
import { showPicture } from './picture.js';

const template = (props) => `
<div class="gm-board">
  <div class="gm-board-cards" role="group" aria-label="${props.label ?? ''}"></div>
</div>`;

export class Board extends Piece {
  static template = template;

  mount({ element, props, changed, trigger }) {
    const cards = element.querySelector('.gm-board-cards');
    let picked = new Set();

    function pick(i) {
      const { group } = props.round;
      const on = !picked.has(i);
      if (group > 1) for (let k = i - i % group; k < i - i % group + group; k++) picked.delete(k);
      if (on) picked.add(i); else picked.delete(i);
      mark();
      props.value = [...picked].sort((a, b) => a - b);
    }

    function mark() {
      [...cards.querySelectorAll('.gm-tile')].forEach((card, i) => card.setAttribute('aria-pressed', picked.has(i)));
    }

    function line(text, kind) {
      const span = document.createElement('span');
      span.className = kind; span.textContent = text;
      return span;
    }

    function cardOf(picture, i) {
      const card = document.createElement('button'), canvas = document.createElement('canvas');
      const answer = props.round.answers && props.round.answers[i];
      card.type = 'button'; card.className = 'gm-tile';
      card.setAttribute('aria-label', `Picture ${i + 1}`);
      showPicture(canvas, picture);
      card.append(canvas);
      if (answer) {
        const said = (who, right) => `${who} ${right ? '✓' : '✗'}`;
        card.dataset.truth = answer.sought;
        card.disabled = true;
        card.setAttribute('aria-label', `Picture ${i + 1}: ${answer.truth}. You were ${answer.visitor ? 'right' : 'wrong'}, the critic was ${answer.critic ? 'right' : 'wrong'}.`);
        card.append(line(answer.truth, 'gm-tile-truth'), line(`${said('you', answer.visitor)} · ${said('critic', answer.critic)}`, 'gm-tile-said'));
      } else card.onclick = () => pick(i);
      return card;
    }

    function show() {
      cards.replaceChildren();
      if (!props.round || !props.round.pictures) return;
      const { pictures, group } = props.round;
      picked = new Set(props.value || []);
      cards.dataset.group = group;
      for (let i = 0; i < pictures.length; i += group) {
        const box = group > 1 ? document.createElement('div') : cards;
        if (group > 1) { box.className = 'gm-board-pair'; cards.append(box); }
        for (let k = i; k < i + group; k++) box.append(cardOf(pictures[k], k));
      }
      mark();
    }
    changed(' round ', show);
    show();
  }
}

customElements.define('gm-board', Board);
