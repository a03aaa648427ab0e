// A row of the trail: one transaction.

import { actor, diff, eventBadge, eventDetail, isSchemaChange, name, origin, words } from './audit.js';
import { h } from './dom.js';
import { time } from './time.js';

// A transaction can have changed more rows than anybody reads in a list.
const mostParts = 6;

export const columnNames = ['Time', 'Who', 'Why', 'What changed', 'From'];

/**
 * Makes the `<tr>` of a transaction: `{commitTs, entries, others, findings}`, of
 * which others are only counted, and whether events are among what is shown, so that their absence says something.
 */
export function newRow(transaction, options) {
  const row = h('tr', { 'data-commit-ts': transaction.commitTs });
  fillRow(row, transaction, options);
  return row;
}

/** Writes a transaction anew; what was unfolded stays so, and keeps the focus. */
export function fillRow(row, { commitTs, entries, others, findings }, { withEvents, nameOf }) {
  const open = [...row.querySelectorAll('details')].map((details) => details.open);
  const focused = [...row.querySelectorAll('a, summary')].indexOf(document.activeElement);
  const events = entries.filter(({ source }) => source === 'event'), changes = entries.filter(({ source }) => source === 'change');
  const schema = changes.some(isSchemaChange);
  row.classList.toggle('found', findings.length > 0);
  row.classList.toggle('schema', schema && findings.length === 0);
  const { committedAt } = entries[0];
  const cells = [
    [h('a', { href: `/transactions/${commitTs}` }, time(committedAt, 'relative')), h('div', { class: 'small muted' }, time(committedAt, 'absolute'))],
    who(entries, nameOf),
    [why(events, withEvents && changes.length > 0 && !schema && findings.length === 0), faults(findings)],
    what(changes, others, commitTs),
    origin(entries),
  ];
  row.replaceChildren(...cells.map((content, i) => h(i === 0 ? 'th' : 'td', {
    scope: i === 0 ? 'row' : null, dataset: { name: columnNames[i] },
  }, content)));
  [...row.querySelectorAll('details')].forEach((details, i) => { details.open = open[i] ?? false; });
  if (focused >= 0) row.querySelectorAll('a, summary')[focused]?.focus();
}

function who(entries, nameOf) {
  const names = [...new Set(entries.map(({ username }) => username).filter(Boolean))];
  const others = [...new Set(entries.map((entry) => actor(entry, nameOf)).filter(Boolean))].filter((other) => !names.includes(other));
  return [
    names.slice(0, 3).map((one) => h('div', {}, h('a', { class: 'quiet', href: `/trail?user=${encodeURIComponent(one)}` }, name(one)))),
    names.length > 3 && h('div', { class: 'small muted' }, `and ${names.length - 3} more`),
    others.length > 0 && h('div', { class: 'small muted' }, 'by ', name(others.join(', '))),
  ];
}

function why(events, unexplained) {
  if (events.length === 0) return unexplained && h('span', { class: 'small muted' }, 'no event yet');
  return [
    events.slice(0, mostParts).map((event) => h('div', { class: 'why' }, eventBadge(event.eventType), eventDetail(event))),
    events.length > mostParts && h('div', { class: 'small muted' }, `and ${events.length - mostParts} more`),
  ];
}

function faults(findings) {
  return findings.slice(0, mostParts).map(({ kind, detail }) => h('div', { class: 'why' },
    h('span', { class: 'badge bad strong' }, words(kind)), h('span', { class: 'small detail break' }, detail)));
}

function what(changes, others, commitTs) {
  const rest = Math.max(0, changes.length - mostParts) + others;
  return [
    changes.slice(0, mostParts).map((change) => h('div', { class: 'change' },
      h('span', { class: isSchemaChange(change) ? 'badge warn' : 'small muted' }, `${change.operation} ${change.table}`), diff(change))),
    rest > 0 && h('a', { class: 'small', href: `/transactions/${commitTs}` }, `and ${rest} more`),
  ];
}
