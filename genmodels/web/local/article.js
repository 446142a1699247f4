// Elements for articles: <gm-map model="vae2d-mnist" x="0.4"></gm-map>, <gm-gan-generate label="7" seed="3"></gm-gan-generate>,
// for each section of the folder one by its key. Attributes are the state; "gm-change" {section, state} tells of the reader's.
// All of a page share the runtime and the models. theme: "light" or "dark", else that of what is behind; load="tap": at a tap.
import { stateOf } from '../elements/address.js';
import { make } from '../elements/controls.js';
import { Section } from '../elements/section.js';
import { showLoading } from './loading.js';
import { elementOf, keyOf } from './names.js';

const [NEAR, ATTRIBUTES] = ['300px', ['theme', 'load', 'class', 'style', 'id', 'title', 'slot', 'hidden', 'lang', 'dir']];

/** What page.css says of it; browsers overlook that where the sheet is an element's own. */
const ACCENT = { name: '--gm-accent', syntax: '<color>', inherits: true, initialValue: '#0f766e' };

/** @param {(key: string) => Promise<{site: object, backend: object, base: URL}>} opened what the folder has, with a section's elements ready @param {string[]} keys */
export function defineElements(opened, keys) {
  try {
    CSS.registerProperty(ACCENT);
  } catch {
    // it is registered already, or this browser knows no such thing: then the charts are grey
  }
  for (const key of keys) {
    if (keyOf(elementOf(key))) continue;
    class Article extends HTMLElement {
      connectedCallback() {
        stand(this, key, opened);
      }
    }
    customElements.define(elementOf(key), Article);
  }
  Section.stand = (element) => {
    const key = keyOf(element.localName);
    if (key) stand(element, key, opened);
  };
}

function stand(host, key, opened) {
  if (host.shadowRoot) return;
  const root = host.attachShadow({ mode: 'open' });
  const note = make('p', { textContent: host.textContent.trim() || 'Loading …', role: 'status' });
  root.append(note);
  const seen = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      opened(key)
        .then((found) => layOut(host, root, key, found))
        .catch((error) => (note.textContent = error.message));
    },
    { rootMargin: NEAR },
  );
  seen.observe(note); // which has a height before any style is there
}

async function layOut(host, root, key, { site, backend, base }) {
  const sheets = ['local/theme.css', 'elements/page.css'].map((file) =>
    make('link', { rel: 'stylesheet', href: new URL(file, base).href }),
  );
  const styled = sheets.map((sheet) => new Promise((resolve) => sheet.addEventListener('load', resolve)));
  if (host.getAttribute('load') === 'tap') backend.wait = true;
  const page = Object.assign(document.createElement('gm-page'), {
    spec: site.spec,
    backend,
    home: base.href,
    query: new URLSearchParams({ only: key, ...stated(host, site, key) }).toString(),
  });
  const box = make('div', {}, page);
  const paint = () => box.classList.toggle('dark', isDark(host));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
  paint();
  showLoading(backend, root);
  root.addEventListener('gm-change', ({ detail }) => host.dispatchEvent(new CustomEvent('gm-change', { bubbles: true, detail })));
  root.append(...sheets);
  await Promise.all(styled);
  root.querySelector('p').remove();
  root.append(box);
  new MutationObserver(() => {
    paint();
    const [tab] = key.split('.');
    const { spec } = page.tabs[tab].sections[0];
    page.restore(tab, key, stateOf(new URLSearchParams(stated(host, site, key)), spec));
  }).observe(host, { attributes: true });
}

/** What the attributes say of the section's state. */
function stated(host, site, key) {
  const spec = site.spec.tabs.flatMap((tab) => tab.sections).find((one) => one.key === key);
  const known = [...host.attributes].filter(({ name }) => !ATTRIBUTES.includes(name) && (name === spec.subject || name in spec.fields));
  return Object.fromEntries(known.map(({ name, value }) => [name, value]));
}

/** Whether what is behind an element is dark. */
function isDark(host) {
  const theme = host.getAttribute('theme');
  if (theme) return theme === 'dark';
  for (let one = host; one; one = one.parentElement ?? one.getRootNode().host) {
    const [r, g, b, opacity = 1] = getComputedStyle(one)
      .backgroundColor.match(/[\d.]+/g)
      ?.map(Number) ?? [0, 0, 0, 0];
    if (opacity > 0.5) return 0.299 * r + 0.587 * g + 0.114 * b < 128;
  }
  const scheme = getComputedStyle(document.documentElement).colorScheme;
  return scheme.includes('dark') && (!scheme.includes('light') || matchMedia('(prefers-color-scheme: dark)').matches);
}
