// How the elements for articles are called: each by its section's key, but for one that the section's own element is called by.
const ALIASES = { 'vae.map': 'gm-map' };

/** @param {string} key of a section, such as "gan.mix" @returns {string} "gm-gan-mix" */
export const elementOf = (key) => ALIASES[key] ?? `gm-${key.replace('.', '-')}`;

/** The key of a section whose own element an author may write, too. */
export const keyOf = (element) => Object.keys(ALIASES).find((key) => ALIASES[key] === element);
