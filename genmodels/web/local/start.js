// What a folder without a server begins with: its own page, or an article of anyone's that has its elements.
import { LocalBackend } from './backend.js';
import { fetchedJson } from './runtime.js';

const BASE = new URL('../', import.meta.url);
let kept = null;

/** What the folder has, once, whoever asks. */
function opened() {
  kept ??= open().catch((error) => {
    kept = null;
    throw error;
  });
  return kept;
}

async function open() {
  const [site] = await Promise.all([fetchedJson(new URL('site.json.gz', BASE), 'The list of what is here'), import('../elements/page.js')]);
  return { site, backend: new LocalBackend(BASE, site), base: BASE };
}

const defined = new Set(); // modules of elements

/** Has the elements of sections defined; null if they are. @param {string[]} keys */
function elementsOf(site, keys) {
  const missing = new Set(keys.flatMap((key) => site.modules[key]).filter((name) => !defined.has(name)));
  if (!missing.size) return null;
  return Promise.all([...missing].map((name) => import(`../elements/${name}`).then(() => defined.add(name))));
}

/** The folder's own page, in place of what stands there until then. */
async function showPage(box) {
  const theme = new URLSearchParams(location.search).get('theme');
  const night = matchMedia('(prefers-color-scheme: dark)');
  const paint = () => document.body.classList.toggle('dark', theme === 'dark' || (theme !== 'light' && night.matches));
  paint();
  night.addEventListener('change', paint);
  try {
    const [{ site, backend }, { showLoading }] = await Promise.all([opened(), import('./loading.js')]);
    const elements = (tab) =>
      elementsOf(
        site,
        tab.sections.map(({ key }) => key),
      );
    const page = Object.assign(document.createElement('gm-page'), { spec: site.spec, route: null, backend, elements });
    showLoading(backend, page);
    box.replaceWith(page);
  } catch (error) {
    box.querySelector('[role=status]').textContent = error.message;
  }
}

/** @param {string[]} keys of the folder's sections */
export async function start(keys) {
  const box = document.getElementById('genmodels');
  if (box) return showPage(box);
  const { defineElements } = await import('./article.js');
  const openedFor = async (key) => {
    const found = await opened();
    await elementsOf(found.site, [key]);
    return found;
  };
  defineElements(openedFor, keys);
  if (keys.includes('vae.map')) await import('../elements/map.js');
}
