// A table as wrappers/tables.py makes it: {columns, rows, reading, protocol, missing, csv}. A press on a heading sorts by it, its
// question mark says how a figure came to be, and a cell without one says why.
import { make } from './controls.js';
import { drawSheet } from './picture.js';
import { save } from './png.js';
import { coded, spoken, View } from './views.js';

/** The name of a family in its colour; words that name none as they are. */
export function familyName(page, key) {
  const family = page?.spec.families[key];
  if (!family) return document.createTextNode(key ?? '');
  return make('span', { class: 'gm-of-family', style: `--gm-family: var(--gm-${key})` }, make('i'), family.name);
}

/** The page's one note, beside what it is about: by hover, focus and touch; Escape or another press puts it away. */
class Tip {
  constructor(page) {
    this.note = make('div', { class: 'gm-tip', role: 'tooltip', id: 'gm-tip', popover: 'manual' });
    page.box.append(this.note);
    addEventListener('scroll', () => this.about && this.place(), { passive: true, capture: true });
    document.addEventListener('pointerdown', (event) => this.about?.contains(event.target) || this.hide());
    document.addEventListener('keydown', (event) => event.key === 'Escape' && this.hide());
  }
  /** Makes a button show the text. */
  attach(button, text) {
    button.addEventListener('pointerenter', (event) => event.pointerType === 'mouse' && this.show(button, text));
    button.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && document.activeElement !== button && this.hide());
    button.addEventListener('focus', () => this.show(button, text));
    button.addEventListener('blur', () => this.hide());
    button.addEventListener('click', () => this.show(button, text));
    return button;
  }
  show(button, text) {
    this.about?.removeAttribute('aria-describedby');
    this.about = button;
    button.setAttribute('aria-describedby', this.note.id);
    this.note.replaceChildren(...coded(text));
    this.note.showPopover();
    this.place();
  }
  place() {
    const at = this.about.getBoundingClientRect();
    const { width, height } = this.note.getBoundingClientRect();
    const above = at.bottom + height + 8 > innerHeight && at.top > height + 8;
    this.note.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, at.left + at.width / 2 - width / 2))}px`;
    this.note.style.top = `${above ? at.top - height - 6 : at.bottom + 6}px`;
  }
  hide() {
    this.about?.removeAttribute('aria-describedby');
    this.about = null;
    if (this.note.matches(':popover-open')) this.note.hidePopover();
  }
}

const compare = (a, b) =>
  typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });

class Table extends View {
  sorted = null; // {key, down}

  layOut() {
    this.reading = make('p', { class: 'gm-table-reading', hidden: this.options.unread });
    this.box = make('div', { class: `gm-scroll${this.options.whole ? ' gm-whole' : ''}`, tabIndex: 0, role: 'region' });
    this.save = make('button', {
      type: 'button',
      class: 'gm-button',
      textContent: 'Download CSV',
      hidden: true,
      onclick: () => this.download(),
    });
    this.missing = make('p', { class: 'gm-note' });
    this.protocol = make('p', { class: 'gm-note' });
    this.append(this.reading, this.box, make('div', { class: 'gm-under' }, make('div', {}, this.missing, this.protocol), this.save));
  }

  get page() {
    return this.closest('gm-page');
  }

  get tip() {
    this.page.tip ??= new Tip(this.page);
    return this.page.tip;
  }

  show(value) {
    if (!value) return;
    this.value = value;
    this.reading.replaceChildren(...spoken(value.reading));
    this.missing.replaceChildren(...coded(value.missing ?? ''));
    this.protocol.replaceChildren(...coded(value.protocol ?? ''));
    this.box.hidden = this.save.hidden = !value.columns.length;
    this.box.setAttribute('aria-label', this.options.title || this.closest('.gm-section')?.spec.title || 'Table');
    if (!value.columns.some((column) => column.key === this.sorted?.key)) this.sorted = null;
    this.draw();
    this.classList.add('gm-filled');
  }

  /** A family stands as the colour of its model where the model has a column of its own. */
  get columns() {
    const { columns } = this.value;
    return columns.some((c) => c.key === 'model') ? columns.filter((c) => c.key !== 'family') : columns;
  }

  /** The rows in the order asked for; those without a value last. */
  get rows() {
    const { key, down } = this.sorted ?? {};
    if (!key) return this.value.rows;
    const [known, unknown] = [[], []];
    for (const row of this.value.rows) (row[key] === null || row[key] === undefined ? unknown : known).push(row);
    known.sort((a, b) => (down ? compare(b[key], a[key]) : compare(a[key], b[key])));
    return [...known, ...unknown];
  }

  draw() {
    if (this.box.contains(this.tip.about)) this.tip.hide(); // what it is about goes
    const { columns, rows } = this;
    const numeric = (key) =>
      this.value.rows.some((row) => typeof row[key] === 'number') && !this.value.rows.some((row) => row[`${key}_pictures`]);
    const long = (key) => this.value.rows.some((row) => String(row[`${key}_text`] ?? row[key] ?? '').length > 34);
    const kind = (key) => (numeric(key) ? 'gm-figure' : long(key) ? 'gm-text' : '');
    const head = columns.map((column, i) => this.heading(column, numeric(column.key), i));
    const body = rows.map((row) =>
      make(
        'tr',
        { class: row.reference ? 'gm-reference' : '' },
        ...columns.map((column, i) =>
          make(i ? 'td' : 'th', { class: kind(column.key), ...(i ? {} : { scope: 'row' }) }, ...this.cell(row, column)),
        ),
      ),
    );
    this.box.replaceChildren(make('table', { class: 'gm-data' }, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...body)));
  }

  heading(column, numeric, i) {
    const now = this.sorted?.key === column.key ? (this.sorted.down ? 'descending' : 'ascending') : 'none';
    const unit =
      column.unit && !column.title.toLowerCase().includes(column.unit) ? make('small', { textContent: ` ${column.unit}` }) : null;
    const sort = make('button', { type: 'button', class: 'gm-sort', onclick: () => this.sort(column.key, i) }, column.title, unit);
    const about = column.protocol
      ? this.tip.attach(
          make('button', { type: 'button', class: 'gm-ask', 'aria-label': `About ${column.title}`, textContent: '?' }),
          column.protocol,
        )
      : null;
    return make('th', { scope: 'col', class: numeric ? 'gm-figure' : '', 'aria-sort': now }, make('div', {}, sort, about));
  }

  sort(key, i) {
    const { sorted } = this;
    this.sorted = sorted?.key !== key ? { key, down: false } : sorted.down ? null : { key, down: true };
    const { scrollLeft } = this.box;
    this.draw();
    this.box.scrollLeft = scrollLeft;
    this.box.querySelectorAll('.gm-sort')[i].focus({ preventScroll: true });
  }

  cell(row, { key, digits }) {
    const value = row[key];
    const pictures = row[`${key}_pictures`];
    const inside = pictures ? [this.pictures(pictures, row, key)] : [];
    if (value === null || value === undefined) {
      const why = row[`${key}_why`];
      const short = why.startsWith('Not measured') ? 'not measured' : '–';
      return [
        ...inside,
        this.tip.attach(make('button', { type: 'button', class: 'gm-why', 'aria-label': `${short}: ${why}`, textContent: short }), why),
      ];
    }
    if (key === 'family') return [familyName(this.page, value)];
    const text =
      row[`${key}_text`] ?? (typeof value === 'number' ? (digits === null ? String(value) : value.toFixed(digits)) : String(value));
    const link = row[`${key}_link`];
    if (link?.startsWith('https://')) return [make('a', { href: link, target: '_blank', rel: 'noopener', textContent: text })];
    if (key === 'model' && this.page?.spec.families[row.family]) {
      const of = { class: 'gm-of-family', style: `--gm-family: var(--gm-${row.family})`, title: this.page.spec.families[row.family].name };
      return [make('span', of, make('i'), text)];
    }
    const [low, high] = [row[`${key}_low`], row[`${key}_high`]].map((end) => (typeof end === 'number' ? end.toFixed(digits ?? 2) : null));
    const interval = low !== null && high !== null && !row[`${key}_text`] ? [make('small', { textContent: ` ${low}–${high}` })] : [];
    return [...inside, text, ...interval];
  }

  pictures(pictures, row, key) {
    const canvas = make('canvas', {
      class: 'gm-sheet',
      role: 'img',
      'aria-label': `Pictures of ${row[`${key}_model`] ?? row.model ?? row.family}`,
    });
    drawSheet(canvas, pictures, 4, 1);
    return canvas;
  }

  download() {
    const { section, data } = this.info();
    save(this.value.csv, `${[section, data].filter(Boolean).join('_').replaceAll('.', '_') || 'table'}.csv`, 'text/csv');
  }
}

customElements.define('gm-table', Table);
