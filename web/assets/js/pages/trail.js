// The audit log, one row per transaction.

import { get } from '../api.js';
import { h } from '../dom.js';
import { copyable, empty, fillWith, loginCommand } from '../states.js';
import { paged, table } from '../table.js';
import { time, timeSwitch } from '../time.js';

const filters = ['user', 'userId', 'eventType', 'operation', 'table', 'source', 'ip', 'from', 'to', 'reads'];

export function render(container, context) {
  const findings = context.query.has('findings');
  const params = Object.fromEntries(filters.map((name) => [name, context.query.get(name)]));
  const list = h('section', { class: 'card flush' });
  const pages = findings ? findingPages(context) : transactionPages(params, context);
  container.append(
    h('header', { class: 'page-head' }, h('h1', {}, findings ? 'Findings' : 'Trail'), timeSwitch()), list);
  fillWith(list, async () => { await pages.turn(0); return pages.box; }, { ...context, lines: 8 });
}

function transactionPages(params, { signal }) {
  const load = async (cursor) => {
    const { entries, next } = await get('/api/audit', { params: { ...params, cursor }, signal });
    return { rows: [...Map.groupBy(entries, (entry) => entry.commitTs).values()], next };
  };
  return paged(load, (rows) => (rows.length ? table('Transactions', columns, rows)
    : empty('Nothing in the trail', h('p', { class: 'muted' }, 'Nothing matches, or nothing has happened yet. This makes a login:'), copyable(loginCommand()))));
}

const columns = [
  { name: 'Time', head: true, cell: ([entry]) => time(entry.committedAt) },
  { name: 'Who', cell: (entries) => entries.find(({ username }) => username)?.username ?? '' },
  { name: 'Why', cell: (entries) => entries.filter(({ eventType }) => eventType).map(({ eventType }) => h('span', { class: 'badge' }, eventType)) },
  { name: 'What', cell: (entries) => entries.filter(({ operation }) => operation).map((entry) => h('div', {}, `${entry.operation} ${entry.table}`)) },
  { name: 'From', cell: (entries) => h('span', { class: 'mono' }, entries.find(({ ip }) => ip)?.ip ?? '') },
];

function findingPages({ signal }) {
  const load = async (cursor) => {
    const { findings, next } = await get('/api/audit/findings', { params: { cursor }, signal });
    return { rows: findings, next };
  };
  return paged(load, (rows) => (rows.length ? table('Findings', [
    { name: 'Time', head: true, cell: ({ committedAt }) => time(committedAt) },
    { name: 'Kind', cell: ({ kind }) => h('span', { class: 'badge bad' }, kind) },
    { name: 'Who', cell: ({ username }) => username ?? '' },
    { name: 'Where', cell: (finding) => `${finding.table} ${finding.rowKey}` },
    { name: 'Detail', cell: ({ detail }) => detail },
  ], rows) : empty('No findings', h('p', { class: 'muted' }, 'Every change is explained by an event, and every chain is whole.'))));
}
