// A section alone, as articles show it in a frame: it says how high it is, and where the whole page is.
import { textOf } from './address.js';
import { make } from './controls.js';

/** @param {object} page gm-page that shows one section */
export function settle(page) {
  const [section] = page.tabs[page.current].sections;
  const [tab, name] = section.spec.key.split('.');
  const whole = make('a', { textContent: 'open the whole page' });
  const lead = () => {
    const query = new URLSearchParams({ tab, section: name, ...textOf(section.told()), ...section.taught });
    whole.href = new URL(`./?${query}`, page.home).href;
  };
  lead();
  page.addEventListener('gm-change', lead);
  section.querySelector('.gm-share-ways').append(make('span', { class: 'gm-origin' }, 'genmodels · ', whole));
  if (parent === window || page.query !== null) return;
  document.head.append(make('base', { target: '_blank' })); // whatever leads elsewhere: the frame is too small for a page
  let last = 0;
  const tell = () => {
    const height = Math.ceil(page.getBoundingClientRect().height);
    if (height !== last) parent.postMessage({ genmodels: (last = height) }, '*');
  };
  new ResizeObserver(tell).observe(page);
  page.addEventListener('gm-change', tell); // browsers don't observe what is out of sight
  tell();
}
