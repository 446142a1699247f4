// What puts a section, as it is now, into an article: a piece of HTML with our script, and a plain frame.
import { control, make } from './controls.js';
import { copied, linkTo } from './links.js';

const THEMES = { choices: [['the reader’s', 'auto'], 'light', 'dark'], default: 'auto' };
const STARTS = {
  choices: [
    ['when it is seen', 'seen'],
    ['at a press', 'click'],
  ],
  default: 'seen',
};
const HEIGHT = 800; // pixels, enough for most sections in an article's column

/** The panel of a section. @param {(text: string) => void} say */
export async function embed(section, say) {
  const host = new URL('./', section.page.page.home).href;
  const asked = new URL(await linkTo(section)).searchParams;
  for (const place of ['tab', 'section']) asked.delete(place);
  for (const [name, value] of Object.entries(section.taught ?? {})) asked.set(name, value); // a lesson goes along
  const { key, title } = section.spec;
  const element = section.page.backend.elementOf?.(key);
  const told = { key, title, host, element, asked, state: String(asked).replaceAll('%2C', ',') };
  const chosen = { theme: THEMES.default, start: STARTS.default };
  const pieces = [
    ...(element ? [piece('An element of the article itself, which needs no server', asElement)] : []),
    piece('With the script, which fits the height to the demo', withScript),
    piece('A plain frame, which scrolls where its height is too little', plain),
  ];
  const write = () => pieces.forEach(({ area, text }) => (area.value = text(told, chosen)));
  const choice = (name, label, fit) =>
    control(name, { kind: 'choice', label, info: '' }, fit, (value) => {
      chosen[name] = value;
      write();
    }).element;
  write();
  return make(
    'div',
    { class: 'gm-embed' },
    make('div', { class: 'gm-pair' }, choice('theme', 'Colours', THEMES), choice('start', 'Starts (script)', STARTS)),
    ...pieces.map(({ element }) => element),
  );

  function piece(label, text) {
    const area = make('textarea', { class: 'gm-copy', readOnly: true, rows: 3, spellcheck: false, onfocus: () => area.select() });
    const copy = make('button', { type: 'button', class: 'gm-button', textContent: 'Copy', 'aria-label': `Copy: ${label}` });
    copy.addEventListener('click', async () => {
      if (await copied(area.value, say)) area.focus(); // the browser forbids it: what is selected can be copied by hand
    });
    const element = make('div', { class: 'gm-control' }, make('label', {}, label, area), make('div', {}, copy));
    return { area, text, element };
  }
}

function asElement({ title, host, element, asked }, { theme, start }) {
  const said = { ...Object.fromEntries(asked), theme: theme === 'auto' ? '' : theme, load: start === 'click' ? 'tap' : '' };
  const attributes = Object.entries(said).filter(([, value]) => value);
  const written = attributes.map(([name, value]) => ` ${name}="${escaped(value)}"`).join('');
  return `<script type="module" src="${escaped(host)}genmodels.js"></script>\n<${element}${written}>${escaped(title)}</${element}>`;
}

function withScript({ key, title, host, state }, { theme, start }) {
  const data = { section: key, state, title, theme: theme === 'auto' ? '' : theme, load: start === 'click' ? start : '' };
  const said = Object.entries(data).filter(([, value]) => value);
  const attributes = said.map(([name, value]) => ` data-${name}="${escaped(value)}"`).join('');
  const link = `<a href="${escaped(addressOf({ key, host, state }))}">${escaped(title)}</a>`;
  const down = `this.previousElementSibling.append(' (This demo gives no answer at the moment.)')`; // the script comes from the same host; plain letters, whatever the article’s encoding
  return `<div class="genmodels"${attributes}>${link}</div>\n<script src="${escaped(host)}embed.js" async onerror="${down}"></script>`;
}

function plain({ key, title, host, state }, { theme }) {
  const src = escaped(addressOf({ key, host, state: `theme=${theme}${state && '&'}${state}` }));
  const more = 'width="100%" style="border: 0" loading="lazy" allow="clipboard-write"';
  return `<iframe src="${src}" title="${escaped(title)}" height="${HEIGHT}" ${more}></iframe>`;
}

const addressOf = ({ key, host, state }) => `${host}?only=${key}${state && '&'}${state}`;
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
