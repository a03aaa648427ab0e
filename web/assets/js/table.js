// Tables that say what they are, and fold into cards on a phone.

import { h, refill } from './dom.js';
import { announce, toast } from './feedback.js';

/**
 * Makes a table. Columns are `{name, cell(row), number, head}`: `cell` returns
 * a node, a text or null; the one with `head` names its row, `hideName` leaves
 * the name to screen readers, and `wide` leaves the column out on a phone.
 */
export function table(caption, columns, rows) {
  const kind = ({ number, hideName, wide }) => [number && 'number', hideName && 'unnamed', wide && 'wide'].filter(Boolean).join(' ') || null;
  const cell = (column, row) => h(column.head ? 'th' : 'td', {
    scope: column.head ? 'row' : null, class: kind(column), dataset: column.head ? {} : { name: column.name },
  }, column.cell(row));
  return h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', { class: 'folds' },
      h('caption', { class: 'visually-hidden' }, caption),
      h('thead', {}, h('tr', {}, columns.map((column) => h('th', { scope: 'col', class: kind(column) },
        column.hideName ? h('span', { class: 'visually-hidden' }, column.name) : column.name)))),
      h('tbody', {}, rows.map((row) => h('tr', {}, columns.map((column) => cell(column, row)))))));
}

/**
 * Pages through a list by cursors, in `box`. `load(cursor)` resolves to
 * `{rows, next}`, `show(rows)` is the node for them, and `names` are those of
 * the two buttons. `turn(page)` shows a page, from 0, or throws an ApiError;
 * `again()` shows the same one anew. Pages that were seen can be gone back to.
 */
export function paged(load, show, names = ['Newer', 'Older']) {
  const cursors = [null];
  const box = h('div');
  let current = 0;

  async function turn(page) {
    const { rows, next } = await load(cursors[page]);
    cursors[page + 1] = next;
    current = page;
    const several = page > 0 || next;
    refill(box, show(rows), several ? pager(page, next) : '');
  }

  function pager(page, next) {
    const button = (text, to, usable) => h('button', {
      type: 'button', class: 'button small', disabled: !usable, on: { click: (event) => press(event.currentTarget, to) },
    }, text);
    return h('nav', { class: 'pager', 'aria-label': 'Pages of the list' },
      button(names[0], page - 1, page > 0), h('span', { class: 'muted small' }, `Page ${page + 1}`), button(names[1], page + 1, next));
  }

  async function press(button, page) {
    button.setAttribute('aria-busy', 'true');
    try {
      await turn(page);
      announce(`Page ${page + 1}`);
      (box.querySelector('.table') ?? box).focus({ preventScroll: true });
      box.scrollIntoView({ block: 'nearest' });
    } catch (error) {
      button.removeAttribute('aria-busy');
      toast(error.message);
    }
  }

  return { box, turn, again: () => turn(current) };
}
