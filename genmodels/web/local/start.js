// The page of a folder without a server.
import { LocalBackend } from './backend.js';
import { showLoading } from './loading.js';
import { fetchedJson } from './runtime.js';

const BASE = new URL('../', import.meta.url);

/** What the folder has, with the elements of its sections ready. */
export async function opened() {
  const [site] = await Promise.all([fetchedJson(new URL('site.json.gz', BASE), 'The list of what is here'), import('../elements/page.js')]);
  await Promise.all(site.modules.map((name) => import(`../elements/${name}`)));
  return { site, backend: new LocalBackend(BASE, site) };
}

async function start(box) {
  const theme = new URLSearchParams(location.search).get('theme');
  const night = matchMedia('(prefers-color-scheme: dark)');
  const paint = () => document.body.classList.toggle('dark', theme === 'dark' || (theme !== 'light' && night.matches));
  paint();
  night.addEventListener('change', paint);
  try {
    const { site, backend } = await opened();
    const page = Object.assign(document.createElement('gm-page'), { spec: site.spec, route: null, backend });
    showLoading(backend, page);
    box.replaceWith(page);
  } catch (error) {
    box.querySelector('[role=status]').textContent = error.message;
  }
}

const box = document.getElementById('genmodels');
if (box) start(box);
