// Reads the audit log backwards, in whole transactions.

import { get } from './api.js';
import { compareTs } from './audit.js';

const entriesPerRead = 100, readsPerPage = 10, findingsPerRead = 200, findingReads = 5, mostFound = 5_000, mostInOne = 20;

/**
 * Reads the page of transactions at a position, null for the newest, and
 * resolves to `{rows, next, completeThrough}`. Rows are `[commitTs, entries]`,
 * newest first; `next` is the position of the page after it, null at the end.
 * A transaction that the API's page cuts in two is left to the next page, so
 * that it is one row there; one that is greater than many pages is cut.
 */
export async function readPage(params, position, signal) {
  const { to = params.to, before, carry = [] } = position ?? {};
  let cursor = position?.cursor ?? null;
  const rows = new Map();
  const add = (entry) => rows.set(entry.commitTs, [...rows.get(entry.commitTs) ?? [], entry]);
  carry.forEach(add);
  for (let reads = 1; ; reads++) {
    const answer = await get('/api/audit', { params: { ...params, to, limit: entriesPerRead, cursor }, signal });
    answer.entries.filter(({ commitTs }) => !before || compareTs(commitTs, before) < 0).forEach(add);
    cursor = answer.next;
    const whole = rows.size > 1 || reads === readsPerPage;
    if (cursor && !whole) continue;
    let next = null;
    if (cursor) {
      next = { cursor, to, before };
      const last = [...rows.keys()].at(-1);
      if (rows.size > 1) {
        next.carry = rows.get(last);
        rows.delete(last);
        next.after = positionAfter([...rows.values()].at(-1)[0]);
      }
    }
    return { rows: [...rows], next, completeThrough: answer.completeThrough };
  }
}

/** Returns a position without entries that is the same: for one that is kept. */
export const slim = (position) => position?.after ?? position;

/** Returns the position right after a transaction that is shown. */
export function positionAfter({ commitTs, committedAt }) {
  return { to: new Date(Date.parse(committedAt) + 1).toISOString(), before: commitTs };
}

/** Keeps what is wrong, by commitTs, as far back as it was asked for. */
export class Findings {
  #byCommit = new Map();
  #cursor = null;
  #oldest = null;
  #done = false;

  /** Returns the findings of a transaction. */
  of(commitTs) { return [...this.#byCommit.get(commitTs)?.values() ?? []]; }

  /** Adds one, also one that is known. */
  add(finding) {
    if (this.#byCommit.size >= mostFound && !this.#byCommit.has(finding.commitTs)) this.#byCommit.delete(this.#byCommit.keys().next().value);
    const key = `${finding.kind} ${finding.table} ${finding.rowKey}`;
    if (!this.#byCommit.has(finding.commitTs)) this.#byCommit.set(finding.commitTs, new Map());
    const found = this.#byCommit.get(finding.commitTs);
    if (found.size < mostInOne) found.set(key, finding);
  }

  /** Reads on, back to a transaction. */
  async reach(commitTs, signal) {
    for (let reads = 0; reads < findingReads && !this.#done && !(this.#oldest && compareTs(this.#oldest, commitTs) < 0); reads++) {
      const { findings, next } = await get('/api/audit/findings', { params: { limit: findingsPerRead, cursor: this.#cursor }, signal });
      findings.forEach((finding) => this.add(finding));
      this.#cursor = next;
      this.#oldest = findings.at(-1)?.commitTs ?? this.#oldest;
      this.#done = !next;
    }
  }
}
