// A link that shows what is on show: the section, its whole state.
import { textOf } from './address.js';
import { make } from './controls.js';

/** The address of a section's state. */
export function linkTo(section) {
  const { key } = section.spec;
  const [tab, name] = key.split('.');
  const state = Object.keys(section.good).length ? section.good : section.question();
  const named = Object.entries(state).map(([at, value]) => [at, section.page.named(section.spec.fields[at]?.kind, value)]);
  const query = new URLSearchParams({ tab, section: name, ...textOf(Object.fromEntries(named)) });
  return new URL(`./?${query}`.replaceAll('%2C', ','), document.baseURI).href;
}

export async function copyLink(section, say) {
  return copied(linkTo(section), say);
}

/** Puts a text on the clipboard; where the browser forbids it, a field from which it can be copied. */
export async function copied(text, say) {
  try {
    await navigator.clipboard.writeText(text);
    say('Copied.');
  } catch {
    const field = make('input', { type: 'text', class: 'gm-copy', readOnly: true, value: text, 'aria-label': 'To be copied' });
    requestAnimationFrame(() => field.select());
    return field;
  }
}
