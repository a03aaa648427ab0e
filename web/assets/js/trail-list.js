// The rows that are shown, newest first, and those of an instant that are one.

import { compareTs } from './audit.js';
import { h } from './dom.js';
import { columnNames, fillRow, newRow } from './trail-row.js';

// What the live page keeps; what is older is a page further. Of each source a
// row keeps so many entries, and counts that many of the others.
const mostRows = 200, mostEntries = 20, mostCounted = 5_000;

export class TrailList {
  #rows = new Map(); // commitTs → {commitTs, committedAt, entries: Map, row}
  #body = h('tbody');
  #options;
  #findings;

  constructor(findings, options) {
    this.#findings = findings;
    this.#options = options;
    this.box = h('div', { class: 'table trail', tabindex: '0', role: 'region', 'aria-label': 'Transactions' },
      h('table', { class: 'folds' },
        h('caption', { class: 'visually-hidden' }, 'Transactions, the newest first'),
        h('thead', {}, h('tr', {}, columnNames.map((name) => h('th', { scope: 'col' }, name)))),
        this.#body));
  }

  get size() { return this.#rows.size; }
  has(commitTs) { return this.#rows.has(commitTs); }
  get newest() { return this.#rows.get(this.#body.firstElementChild?.dataset.commitTs); }
  get oldest() { return this.#rows.get(this.#body.lastElementChild?.dataset.commitTs); }

  clear() {
    this.#rows.clear();
    this.#body.replaceChildren();
  }

  /**
   * Shows entries of a transaction, which may be in the list already. `fresh`
   * lets a new row be seen to come in.
   */
  put(commitTs, entries, fresh = false) {
    const known = this.#rows.get(commitTs);
    if (known) {
      for (const entry of entries) keep(known, entry);
      this.#fill(known);
      return;
    }
    const transaction = { commitTs, committedAt: entries[0].committedAt, entries: new Map(), kept: {}, others: new Set() };
    for (const entry of entries) keep(transaction, entry);
    transaction.row = newRow(this.#shown(transaction), this.#options);
    transaction.row.classList.toggle('fresh', fresh);
    this.#rows.set(commitTs, transaction);
    this.#body.insertBefore(transaction.row, this.#after(commitTs));
  }

  /** Removes the oldest rows beyond what is kept, and reports whether there were any. */
  trim() {
    const few = this.size <= mostRows;
    while (this.size > mostRows) {
      const { commitTs, row } = this.oldest;
      row.remove();
      this.#rows.delete(commitTs);
    }
    return !few;
  }

  /** Shows the findings of a transaction, if it is in the list. */
  mark(commitTs) {
    const known = this.#rows.get(commitTs);
    if (known) this.#fill(known);
  }

  #fill(known) { fillRow(known.row, this.#shown(known), this.#options); }

  #shown({ commitTs, entries, others }) {
    return { commitTs, entries: [...entries.values()], others: others.size, findings: this.#findings.of(commitTs) };
  }

  /** Returns the row before which a transaction belongs: mostly the first. */
  #after(commitTs) {
    const { oldest } = this;
    if (!oldest || compareTs(oldest.commitTs, commitTs) > 0) return null;
    let row = this.#body.firstElementChild;
    while (row && compareTs(row.dataset.commitTs, commitTs) > 0) row = row.nextElementSibling;
    return row;
  }
}

/** Adds an entry to a row; one that is known replaces what was there. */
function keep({ entries, kept, others }, entry) {
  const count = kept[entry.source] ?? 0;
  if (entries.has(entry.id)) entries.set(entry.id, entry);
  else if (count < mostEntries) {
    entries.set(entry.id, entry);
    kept[entry.source] = count + 1;
  } else if (others.size < mostCounted) others.add(entry.id);
}
