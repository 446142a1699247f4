// A link that shows what is on show: the section, its whole state, which weights, and drawings in few letters.
import { bare, readable } from './address.js';
import { bytesOf } from './bytes.js';
import { make } from './controls.js';
import { packed } from './packing.js';

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const LONG = 8000; // characters that servers and programs for mail and chat commonly take
const MOST = 60_000; // that the app's own server takes

/** The address of what a section shows. */
export const linkTo = (section) => addressOf(section.page.page, section.spec.key, section.whole());

/** The address of a section's state. @param {object} page gm-page @param {string} key @param {object} state as text */
export async function addressOf(page, key, state) {
  const [tab, section] = key.split('.');
  const [, height, width] = page.shapeOf(bare(state.model ?? state.data)) ?? [];
  const short = async (one) => {
    const bytes = one.length % 4 === 0 && BASE64.test(one) ? bytesOf(one) : [];
    const channels = bytes.length / (height * width);
    return channels === 1 || channels === 3 ? packed(bytes, channels, width) : one;
  };
  const said = async ([name, value]) => [name, (await Promise.all(value.split(',').map(short))).join(',')]; // of several drawings each
  const query = new URLSearchParams({ tab, section, ...Object.fromEntries(await Promise.all(Object.entries(state).map(said))) });
  return new URL(`./${readable(query)}`, page.home).href;
}

export function copyLink(section, say) {
  return copied(linkTo(section), say);
}

/** Puts a text on the clipboard, or the promise of one; where the browser forbids it, gives a field from which it can be copied. */
export async function copied(promised, say) {
  const text = await promised;
  const has = `It has ${text.length.toLocaleString('en')} characters`;
  if (text.length > MOST) return say(`Not copied. ${has}; a link can have ${MOST.toLocaleString('en')}: choose fewer pictures.`);
  const long = text.length > LONG ? ` ${has}, and some programs cut off so long a link.` : '';
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied.${long}`);
  } catch {
    if (long) say(long.trim());
    const field = make('input', { type: 'text', class: 'gm-copy', readOnly: true, value: text, 'aria-label': 'To be copied' });
    requestAnimationFrame(() => field.select());
    return field;
  }
}
