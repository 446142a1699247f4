// A lesson's link is composed: the state on show, what of the controls is hidden or fixed, a question and its answer.
import { readable } from './address.js';
import { make } from './controls.js';
import { LONGEST, partsOf } from './lesson.js';
import { copied, linkTo } from './links.js';

/** The panel in which a section's lesson is put together. */
export async function compose(section, say) {
  const taught = section.taught ?? {};
  const rows = rowsOf(section, taught);
  const ask = area('Question', 'ask', 2, taught.ask);
  const answer = area('Answer', 'answer', 2, taught.answer);
  const alone = make('input', { type: 'checkbox', checked: section.page.only !== null });
  const link = make('textarea', { class: 'gm-copy', readOnly: true, rows: 3, 'aria-label': 'The lesson’s link' });
  const tryIt = make('a', { class: 'gm-button', target: '_blank', rel: 'noopener', textContent: 'Try it' });
  const draw = async () => {
    const keys = (what) => rows.filter((row) => row[what]?.checked).map((row) => row.keys);
    const said = { hide: keys('hide').join(), lock: keys('lock').join(), ask: ask.field.value.trim(), answer: answer.field.value.trim() };
    link.value = tryIt.href = lessonLink(await linkTo(section), said, alone.checked ? section.spec.key : null);
  };
  const copy = async () => {
    if (await copied(link.value, say)) link.select(); // the browser forbids it: by hand, from here
  };
  const panel = make(
    'div',
    { class: 'gm-compose', oninput: draw },
    make('p', {
      class: 'gm-note',
      textContent: 'The link keeps what is on show now: set the section up first. Its words are shown as plain text.',
    }),
    tableOf(rows),
    ask.element,
    answer.element,
    make('label', { class: 'gm-checks' }, alone, 'The section alone, without the rest of the page'),
    link,
    make('div', { class: 'gm-pair' }, make('button', { type: 'button', class: 'gm-button', textContent: 'Copy', onclick: copy }), tryIt),
  );
  const follow = () => (panel.isConnected ? draw() : section.removeEventListener('gm-change', follow));
  section.addEventListener('gm-change', follow);
  await draw();
  return panel;
}

/** A section's link with what a lesson says beside its state. only: the section's key, if it is to be alone. */
export function lessonLink(href, said, only = null) {
  const link = new URL(href);
  const asked = new URLSearchParams(only ? { only } : {});
  for (const [key, value] of link.searchParams) if (!only || !['tab', 'section'].includes(key)) asked.append(key, value);
  for (const [key, value] of Object.entries(said)) if (value) asked.set(key, value);
  link.search = readable(asked);
  return link.href;
}

/** A row for whatever can be hidden or fixed, but not both; checked as the lesson on show has it. */
function rowsOf(section, taught) {
  const rows = {};
  for (const { keys, title, kind } of partsOf(section).filter(({ offered }) => offered)) {
    const has = (list, kinds) => (list ?? '').split(',').some((key) => keys.includes(key) || (key === 'all' && kinds.includes(kind)));
    const box = (verb, checked) => make('input', { type: 'checkbox', checked, 'aria-label': `${verb}: ${title}` });
    const hide = box('Hide', has(taught.hide, ['control']));
    const lock = kind === 'words' ? null : box('Fix', has(taught.lock, ['control', 'figure']));
    hide.addEventListener('input', () => lock && hide.checked && (lock.checked = false));
    lock?.addEventListener('input', () => lock.checked && (hide.checked = false));
    rows[keys] ??= { keys: keys.join(), title, hide, lock };
  }
  return Object.values(rows);
}

function tableOf(rows) {
  const head = (text) => make('th', { scope: 'col', textContent: text });
  return make(
    'table',
    {},
    make('thead', {}, make('tr', {}, head('Control'), head('Hide'), head('Fix'))),
    make(
      'tbody',
      {},
      ...rows.map(({ title, hide, lock }) =>
        make('tr', {}, make('th', { scope: 'row', textContent: title }), make('td', {}, hide), make('td', {}, lock)),
      ),
    ),
  );
}

function area(title, key, rows, value = '') {
  const field = make('textarea', { rows, maxLength: LONGEST[key], value, name: key });
  return { field, element: make('label', { class: 'gm-control' }, make('span', { class: 'gm-label', textContent: title }), field) };
}
