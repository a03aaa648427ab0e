// What the stream has told and the list does not show yet.

// Beyond so many transactions the list is read anew instead. A transaction can
// have changed any number of rows; a list shows the first few.
const most = 500, mostEntries = 1_000;

/**
 * Holds entries by transaction. A repeat replaces the entry with the same id.
 */
export class Waiting {
  #transactions = new Map();
  /** Whether more has come than is kept, or something is missing. */
  stale = false;

  get size() { return this.#transactions.size; }

  add(entry) {
    if (this.size >= most && !this.#transactions.has(entry.commitTs)) {
      this.stale = true;
      return;
    }
    if (!this.#transactions.has(entry.commitTs)) this.#transactions.set(entry.commitTs, new Map());
    const entries = this.#transactions.get(entry.commitTs);
    if (entries.size < mostEntries || entries.has(entry.id)) entries.set(entry.id, entry);
  }

  /** Returns `[commitTs, entries]` of each transaction and forgets them. */
  take() {
    const all = [...this.#transactions].map(([commitTs, entries]) => [commitTs, [...entries.values()]]);
    this.#transactions.clear();
    return all;
  }

  clear() {
    this.#transactions.clear();
    this.stale = false;
  }
}
