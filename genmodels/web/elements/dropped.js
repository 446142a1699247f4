// Files that a visitor drops, pastes or chooses: one of our pictures brings its section and settings back, any other goes to
// the pad.
import { isOfState } from './address.js';
import { make } from './controls.js';
import { textOfPng } from './png.js';

const HEAD = 2 ** 18; // bytes at the beginning of a file, among which our text stands
const LONGEST = 20_000; // characters of a state
const SHOWN = 8000; // milliseconds

/** @param {object} page gm-page @param {File} file */
export async function openFile(page, file) {
  const { section: key, ...state } = await toldBy(file);
  if (!key) return say(page, await toPad(page, file));
  if (JSON.stringify(state).length > LONGEST) return say(page, 'The text of this picture is too long to be the settings of a section.');
  await page.visit(key, state);
  const section = page.sectionOf(page.current, key);
  const title = `“${section?.spec.title}”`;
  const told = section?.excused
    ? `${title} can’t show all of it as it was made, and says why.`
    : `As it was made: ${title}, with its settings.`;
  say(page, page.trouble.textContent || (section && told));
}

/** What a picture of ours says: its section, and that one's state as an address has it; else {}. */
async function toldBy(file) {
  const bytes = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  const signed = String.fromCharCode(...bytes.subarray(1, 4)) === 'PNG' ? textOfPng(bytes) : {};
  if (!signed.Software?.startsWith('genmodels ') || !signed.section) return {};
  return Object.fromEntries(Object.entries(signed).filter(([name]) => name === 'section' || isOfState(name)));
}

async function toPad(page, file) {
  const tab = page.tabs[page.current];
  if (!tab.pad) return 'This is no picture of ours with its settings, and there is no pad here that could take it.';
  return (await tab.bring(file)) || 'It is on the pad now.';
}

/** A sentence at the edge of the screen, for a while. */
function say(page, text) {
  page.querySelector('.gm-toast')?.remove();
  if (!text) return;
  const line = make('p', { class: 'gm-toast', role: 'status' });
  page.append(line);
  requestAnimationFrame(() => (line.textContent = text)); // after it is there, so that it is announced
  setTimeout(() => line.remove(), SHOWN);
}
