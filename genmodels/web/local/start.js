// What a folder without a server begins with: its own page, or an article of anyone's that has its elements.
import { LocalBackend } from './backend.js';
import { fetchedJson } from './runtime.js';

const BASE = new URL('../', import.meta.url);
let kept = null;

/** What the folder has, with the elements of its sections ready; once, whoever asks. */
function opened() {
  kept ??= open().catch((error) => {
    kept = null;
    throw error;
  });
  return kept;
}

async function open() {
  const [site] = await Promise.all([fetchedJson(new URL('site.json.gz', BASE), 'The list of what is here'), import('../elements/page.js')]);
  await Promise.all(site.modules.map((name) => import(`../elements/${name}`)));
  return { site, backend: new LocalBackend(BASE, site), base: BASE };
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
    const page = Object.assign(document.createElement('gm-page'), { spec: site.spec, route: null, backend });
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
  defineElements(opened, keys);
  if (keys.includes('vae.map')) await import('../elements/map.js');
}
