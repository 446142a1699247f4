// A lesson: what a teacher's link says beside a section's state. Controls are hidden or fixed, and a question waits for its
// answer, all of it as plain text. What the section shares with others, such as the pad, is given back while another one is
// read. Controls are found by their `data-key`, whichever element made them.
import { make } from './controls.js';

export const LONGEST = { ask: 300, answer: 600 };
const TITLES = { text: 'The section’s text', task: 'The line “Try”', data: 'Pictures', model: 'Model', pad: 'Your picture', seed: 'Seed' };
const MEANS = { picture: ['pad'], hidden: ['pad'], model: ['model', 'data'] };

/**
 * What of a section can be hidden or fixed: {keys, title, element, kind, shared, offered}. kind: a control, a figure that is
 * pointed at, or words. offered: whether the section shows it as it is now.
 */
export function partsOf(section) {
  const { panel } = section.page;
  const elements = [...(panel?.querySelectorAll('[data-key]') ?? []), ...section.querySelectorAll('[data-key]')];
  return [...new Set(elements)].map((element) => {
    const keys = element.dataset.key.split(' ');
    const title = keys.map((key) => section.spec.fields[key]?.label ?? TITLES[key] ?? key).join(', ');
    const kind = element.closest('.gm-heading') ? 'words' : element.closest('.gm-main') ? 'figure' : 'control';
    const offered = !element.closest('[hidden], .gm-bare .gm-side');
    return { keys, title, element, kind, shared: Boolean(panel?.contains(element)), offered };
  });
}

/** Begins the lesson that the section has been given, in place of a former one of its tab. */
export function teach(section) {
  const tab = section.page;
  const former = tab.lesson;
  former?.end();
  if (former && former.section !== section) former.section.taught = null;
  tab.lesson = new Lesson(section);
}

class Lesson {
  constructor(section) {
    const { hide, lock, ask, answer } = section.taught;
    this.section = section;
    this.troubles = [];
    this.hidden = this.keysOf(hide, 'hide', ['control']);
    this.fixed = this.keysOf(lock, 'fix', ['control', 'figure']);
    this.box = make('div', { class: 'gm-lesson' }, ...this.question(this.text(ask, 'ask'), this.text(answer, 'answer')));
    this.note = make('p', { class: 'gm-note' });
    this.told = make('p', { class: 'gm-trouble', role: 'alert' });
    this.box.append(this.note, this.told);
    section.querySelector('.gm-heading').after(this.box);
    this.watch = new MutationObserver(() => this.apply()); // controls come and go with the model
    this.watch.observe(section.page, { childList: true, subtree: true });
    this.apply();
  }

  end() {
    this.watch.disconnect();
    this.box.remove();
    this.hidden = this.fixed = new Set();
    this.apply();
  }

  // -- what the link says --------------------------------------------------------------------------------------------------

  /** The keys of a list; `all` are those of these kinds. A key that the section doesn't have is told. */
  keysOf(list = '', verb, kinds) {
    const parts = partsOf(this.section);
    const allowed = verb === 'fix' ? parts.filter(({ kind }) => kind !== 'words') : parts;
    const all = parts.filter(({ kind }) => kinds.includes(kind)).flatMap(({ keys }) => keys);
    const here = ['all', ...new Set(allowed.flatMap(({ keys }) => keys))];
    const known = [...here, ...Object.keys({ ...MEANS, ...this.section.spec.fields }), 'pad', 'data', 'seed'];
    const asked = list.split(',').flatMap((key) => key.trim() || []);
    const unknown = asked.find((key) => !known.includes(key));
    if (unknown) this.troubles.push(`This lesson can’t ${verb} “${unknown.slice(0, 40)}” here, only ${here.join(', ')}.`);
    return new Set(asked.flatMap((key) => (key === 'all' ? all : (MEANS[key] ?? [key]))));
  }

  /** A question or an answer, as long as it may be. */
  text(words = '', key) {
    const letters = [...words];
    if (letters.length <= LONGEST[key]) return words;
    const what = { ask: 'question', answer: 'answer' }[key];
    this.troubles.push(`The lesson’s ${what} has ${letters.length} characters; the first ${LONGEST[key]} are shown.`);
    return `${letters.slice(0, LONGEST[key]).join('')}…`;
  }

  /** The question; the answer, or what is said without a question, comes at a press, and is spoken where it comes. */
  question(ask, answer) {
    if (!ask && !answer) return [];
    const [title, what] = ask ? ['A question', 'the answer'] : ['A note', 'the note'];
    const shown = make('p', { class: 'gm-lesson-answer', dir: 'auto', hidden: true });
    const live = make('div', { 'aria-live': 'polite' }, shown);
    const reveal = make('button', {
      type: 'button',
      class: 'gm-button',
      textContent: `Show ${what}`,
      'aria-expanded': 'false',
      onclick: () => {
        shown.hidden = !shown.hidden;
        shown.textContent = shown.hidden ? '' : answer;
        reveal.textContent = `${shown.hidden ? 'Show' : 'Hide'} ${what}`;
        reveal.setAttribute('aria-expanded', String(!shown.hidden));
      },
    });
    return [
      make('p', { class: 'gm-label', textContent: `${title} of whoever made this link` }),
      ask && make('p', { class: 'gm-lesson-ask', dir: 'auto', textContent: ask }),
      ...(answer ? [reveal, live] : []),
    ].filter(Boolean);
  }

  // -- carrying it out -----------------------------------------------------------------------------------------------------

  /** What is shared is the lesson's as long as its section is read. */
  get isRead() {
    const { only, current } = this.section.page;
    return only || !current || current === this.section;
  }

  /** Hides and fixes what is there now. What stands on the screen stays where it is. */
  apply() {
    const { current, panel } = this.section.page;
    const top = () => current?.getBoundingClientRect().top ?? 0;
    const before = top();
    const parts = partsOf(this.section);
    for (const { keys, element, shared } of parts) {
      const mine = !shared || this.isRead;
      element.toggleAttribute('data-away', mine && keys.some((key) => this.hidden.has(key)));
      fix(element, mine && keys.some((key) => this.fixed.has(key)));
    }
    const padIsFree = ![this.hidden, this.fixed].some((keys) => keys.has('pad')); // else no picture is taken to it
    for (const takes of this.section.querySelectorAll('gm-takes')) takes.inert = !padIsFree;
    for (const take of this.section.querySelectorAll('.gm-take')) take.disabled = !padIsFree;
    const { side } = this.section;
    const more = side.querySelector('.gm-more');
    more?.toggleAttribute('data-away', isEmpty([...more.children].slice(1)));
    panel?.toggleAttribute('data-away', isEmpty(panel.children));
    panel?.closest('.gm-body')?.toggleAttribute('data-bare', panel.matches('[data-away]'));
    this.section.toggleAttribute('data-bare', isEmpty(side.children));
    const stands = ({ element, offered }) => offered && element.matches('[data-fixed]:not([data-away])');
    const titles = new Set(parts.filter(stands).map(({ title }) => title));
    const note = titles.size ? `Fixed here: ${[...titles].join(', ')}.` : '';
    if (this.note.textContent !== note && this.isRead) this.note.textContent = note;
    const unseen = [...this.section.page.querySelectorAll('[data-away] .gm-trouble')].map(({ textContent }) => textContent);
    const told = [...this.troubles, ...unseen].filter(Boolean).join(' '); // what a control that is hidden can't say
    if (this.told.textContent !== told) this.told.textContent = told;
    if (Math.abs(top() - before) > 1) scrollBy(0, top() - before);
  }
}

/** Native fields are disabled, whatever else takes gestures is inert; what was disabled before stays so. */
function fix(part, on) {
  part.toggleAttribute('data-fixed', on);
  if (!part.matches('.gm-control, button')) return (part.inert = on);
  for (const field of part.matches('button') ? [part] : part.querySelectorAll('input, select, textarea, button')) {
    if (on === field.hasAttribute('data-stopped') || (on && field.disabled)) continue;
    field.toggleAttribute('data-stopped', on);
    field.disabled = on;
  }
}

/** Whether there were elements, and none is on show. */
function isEmpty(elements) {
  const away = (one) => one.hidden || one.matches('[data-away], :has(> .gm-pad-drawer[data-away])');
  return elements.length > 0 && [...elements].every(away);
}
