// The list of what is wrong with the trail.

import { get } from '../api.js';
import { diff, name, words } from '../audit.js';
import { h } from '../dom.js';
import { empty, fillWith } from '../states.js';
import { paged, table } from '../table.js';
import { time } from '../time.js';

export function render(container, context) {
  const list = h('section', { class: 'card flush' }), through = h('p', { class: 'muted small' });
  const load = async (cursor) => {
    const { findings, next, verifiedThrough } = await get('/api/audit/findings', { params: { kind: context.query.get('kind'), cursor }, signal: context.signal });
    through.replaceChildren(...(verifiedThrough ? ['Verified through ', time(verifiedThrough, 'absolute')] : ['Nothing is verified yet']));
    return { rows: findings, next };
  };
  const pages = paged(load, (rows) => (rows.length ? table('Findings', columns, rows)
    : empty('No findings', h('p', { class: 'muted' }, 'Every change is explained by an event, and every chain is whole.'))));
  container.append(
    h('header', { class: 'page-head' }, h('div', {}, h('h1', {}, 'Findings'), through), h('a', { class: 'button', href: '/trail' }, 'The whole trail')), list);
  fillWith(list, async () => { await pages.turn(0); return pages.box; }, { ...context, lines: 8 });
}

const columns = [
  { name: 'Time', head: true, cell: ({ commitTs, committedAt }) => h('div', {}, h('a', { href: `/transactions/${commitTs}` }, time(committedAt, 'relative')), h('div', { class: 'small muted' }, time(committedAt, 'absolute'))) },
  { name: 'What is wrong', cell: ({ kind, detail }) => h('div', {}, h('span', { class: 'badge bad' }, words(kind)), h('div', { class: 'small break' }, detail)) },
  { name: 'Who', cell: ({ username }) => (username ? name(username) : '') },
  { name: 'Where', cell: (finding) => h('span', { class: 'mono break' }, `${finding.table} ${finding.rowKey}`) },
  { name: 'Row', cell: (finding) => h('div', {}, diff(finding)) },
];
