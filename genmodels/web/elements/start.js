// Starts the page: with the document, where the server put this module into it, or in Gradio's component.
import './all.js';
import { GradioBackend } from './backend.js';
import './page.js';

const PATIENCE = 5000; // milliseconds

/** The page at the top of the document, whose config tells the spec and the component that answers. */
function startWithDocument() {
  const config = window.gradio_config;
  const component = config?.components?.find((one) => one.props?.props?.spec);
  const asked = new URLSearchParams(location.search);
  if (!component || asked.has('view')) return startGradio(); // a log-in, or Gradio's page of the API
  const alone = asked.has('only'); // in an article, whose readers need nothing of Gradio's
  const theme = asked.get('__theme') ?? ((alone && asked.get('theme')) || 'system');
  const night = matchMedia('(prefers-color-scheme: dark)');
  const paint = () => document.body.classList.toggle('dark', theme === 'dark' || (theme !== 'light' && night.matches));
  paint(); // as Gradio does, later
  night.addEventListener('change', paint);
  const address = `${root()}/gradio_api/component_server`;
  const server = { ask: (question) => post(address, { session_hash: 'page', component_id: component.id, fn_name: 'ask', data: question }) };
  if (!alone) {
    document.addEventListener('gm-change', startGradio, { once: true }); // the first picture is there
    setTimeout(startGradio, PATIENCE);
  }
  document.body.prepend(page(component.props.props, server));
}

/** Gradio's own scripts, which the server left for later: half a second in which the main thread would have had no time. */
function startGradio() {
  const later = document.querySelector('link[data-later]');
  if (!later) return;
  later.removeAttribute('data-later');
  document.head.append(Object.assign(document.createElement('script'), { type: 'module', crossOrigin: '', src: later.href }));
}

/** The same in Gradio's component, unless the document has begun with it. */
export function startIn(element, server, props) {
  if (!document.querySelector('gm-page')) element.replaceChildren(page(props, server));
}

function page({ spec, route }, server) {
  return Object.assign(document.createElement('gm-page'), { spec, route: route || null, backend: new GradioBackend(server, root()) });
}

/** The app's address as the browser reaches it, which a proxy may have changed. */
function root() {
  const told = new URL(window.gradio_config?.root ?? '.', document.baseURI);
  return (told.hostname === location.hostname ? location.origin + told.pathname : told.href).replace(/\/$/, '');
}

async function post(address, body) {
  const answer = await fetch(address, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  return answer.ok ? answer.json() : null;
}

startWithDocument();
