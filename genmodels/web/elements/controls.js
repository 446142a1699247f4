// The controls of a state's fields: native inputs, labelled, that call back with a value of the field's kind.

import { valuesOf } from './address.js';

let count = 0;

/** An element from a tag, properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'class') element.className = value;
    else if (key === 'data') Object.assign(element.dataset, value);
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key in element && key !== 'list') element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** What is said of work that was stopped: how far it was, if more than a beginning. @param {string} [far] */
export const stopped = (far) => (far && !far.endsWith('…') ? `Stopped. ${far}` : 'Stopped.');

/** Hands over the file that a field has got, and empties the field, so that the same one can be chosen again. */
export function chosen(field, then) {
  const [file] = field.files;
  field.value = '';
  if (file) then(file);
}

/**
 * A control: {element, set(value), fit(fit), refuse(text)}.
 * @param {string} key @param {object} field its spec @param {object} fit default, low, high, choices for the model
 * @param {(value: any, final: boolean) => void} changed final: false while a slider is being dragged
 */
export function control(key, field, fit, changed) {
  const kinds = {
    real: slider,
    whole: slider,
    seed,
    label: select,
    choice: select,
    choices: checks,
    text,
    numbers: sliders,
  };
  return (kinds[field.kind] ?? text)(key, field, fit, changed);
}

function frame(field, id, ...inside) {
  const info = field.info ? make('span', { class: 'gm-info', id: `${id}-info`, textContent: field.info }) : null;
  const trouble = make('span', { class: 'gm-trouble', role: 'alert' });
  const element = make('div', { class: 'gm-control' }, make('label', { htmlFor: id, textContent: field.label }), ...inside, info, trouble);
  return { element, refuse: (words) => (trouble.textContent = words || '') };
}

const digits = (step) => Math.max(0, (String(step).split('.')[1] || '').length);

function slider(key, field, fit, changed) {
  const id = `gm-${++count}`;
  const range = make('input', { type: 'range', id, step: field.step, name: key });
  const number = make('output', { htmlFor: id });
  if (field.info) range.setAttribute('aria-describedby', `${id}-info`);
  const say = () => (number.textContent = Number(range.value).toFixed(digits(field.step)));
  const tell = (final) => {
    say();
    changed(Number(range.value), final);
  };
  range.addEventListener('input', () => tell(false));
  range.addEventListener('change', () => tell(true));
  const { element, refuse } = frame(field, id, make('div', { class: 'gm-slider' }, range, number));
  const adapt = (to) => {
    range.min = to.low;
    range.max = to.high;
  };
  const set = (value) => {
    range.value = value;
    say();
  };
  adapt(fit);
  set(fit.default);
  return { element, refuse, set, fit: adapt };
}

function seed(key, field, fit, changed) {
  const id = `gm-${++count}`;
  const number = make('input', {
    type: 'number',
    id,
    min: fit.low,
    max: fit.high,
    step: 1,
    name: key,
    inputMode: 'numeric',
  });
  const dice = make('button', {
    type: 'button',
    class: 'gm-dice',
    title: 'Another one',
    'aria-label': `Another ${field.label.toLowerCase()}`,
  });
  let last = fit.default;
  const tell = () => {
    if (number.value === '') {
      refuse('');
      return set(last); // emptied, or no number: what it stood at
    }
    last = Number(number.value);
    changed(last, true);
  };
  number.addEventListener('change', tell);
  dice.addEventListener('click', () => {
    number.value = Math.floor(Math.random() * 1e6);
    tell();
  });
  const { element, refuse } = frame(field, id, make('div', { class: 'gm-with-dice' }, number, dice));
  const set = (value) => {
    number.value = last = value;
  };
  set(last);
  return { element, refuse, set, fit: () => {} };
}

function select(key, field, fit, changed) {
  const id = `gm-${++count}`;
  const list = make('select', { id, name: key });
  let values = [];
  const adapt = (to) => {
    values = valuesOf(to.choices);
    list.replaceChildren(...values.map((_, i) => make('option', { value: i, textContent: [to.choices[i]].flat()[0] })));
    element.hidden = values.length < 2;
  };
  list.addEventListener('change', () => changed(values[Number(list.value)], true));
  const { element, refuse } = frame(field, id, list);
  const set = (value) => (list.value = Math.max(0, values.indexOf(value)));
  adapt(fit);
  set(fit.default);
  return { element, refuse, set, fit: adapt };
}

function checks(_key, field, fit, changed) {
  const id = `gm-${++count}`;
  const box = make('div', { class: 'gm-checks', id, role: 'group', 'aria-label': field.label });
  const tell = () =>
    changed(
      [...box.querySelectorAll('input:checked')].map((b) => values[Number(b.value)]),
      true,
    );
  let values = [];
  const adapt = (to) => {
    values = valuesOf(to.choices);
    box.replaceChildren(
      ...to.choices.map(([title], i) => make('label', {}, make('input', { type: 'checkbox', value: i, onchange: tell }), title)),
    );
  };
  const { element, refuse } = frame(field, id, box);
  const set = (chosen) => box.querySelectorAll('input').forEach((b, i) => (b.checked = chosen.includes(values[i])));
  adapt(fit);
  set(fit.default);
  return { element, refuse, set, fit: adapt };
}

function text(key, field, fit, changed) {
  const id = `gm-${++count}`;
  const area = make('textarea', { id, name: key, rows: 2, maxLength: field.longest || 400 });
  area.addEventListener('change', () => changed(area.value, true));
  area.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) changed(area.value, true);
  });
  const { element, refuse } = frame(field, id, area);
  const set = (value) => (area.value = value ?? '');
  set(fit.default);
  return { element, refuse, set, fit: () => {} };
}

function sliders(key, field, fit, changed) {
  let values = [...fit.default];
  const box = make('div', { class: 'gm-knobs', role: 'group', 'aria-label': field.label });
  const trouble = make('span', { class: 'gm-trouble', role: 'alert' });
  const element = make('div', { class: 'gm-control' }, make('span', { class: 'gm-label', textContent: field.label }), box, trouble);
  const inside = [];
  const adapt = (to) => {
    values = [...to.default];
    inside.splice(0);
    box.replaceChildren(
      ...values.map((value, i) => {
        const one = slider(`${key}-${i}`, { ...field, label: `${i + 1}`, info: '' }, { ...to, default: value }, (v, final) => {
          values[i] = v;
          changed([...values], final);
        });
        inside.push(one);
        return one.element;
      }),
    );
  };
  const set = (to) => {
    values = [...to];
    to.forEach((value, i) => inside[i]?.set(value));
  };
  adapt(fit);
  return { element, refuse: (words) => (trouble.textContent = words || ''), set, fit: adapt };
}
