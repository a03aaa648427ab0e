// How a rebuild of a projection is doing, and how it has ended.

import { diff, say } from './audit.js';
import { h } from './dom.js';
import { table } from './table.js';
import { duration, time } from './time.js';

const number = new Intl.NumberFormat();
const stages = [['read', 'Read the topics'], ['join', 'Join the feed'], ['derive', 'Derive'], ['compare', 'Compare'], ['wait', 'Switch']];
const endings = {
  running: ['accent', 'running'],
  interrupted: ['warn', 'cut off: rebuild again to go on'],
  stopped: ['warn', 'stopped with the service: rebuild again to go on'],
  switched: ['good', 'equal, and live'],
  equal: ['good', 'equal, and thrown away as was asked'],
  differs: ['bad', 'differs from the live one'],
  failed: ['bad', 'failed: rebuild again to go on'],
};

/** Shows a run; generation is the one that it makes, if that is still there. */
export function rebuildCard(run, generation) {
  const [tone, text] = endings[run.state] ?? ['', say(run.state)];
  const ended = run.result?.switched && run.state === 'switched' && !run.result.equal ? 'differs, and live as was asked' : text;
  return h('div', { class: 'run' },
    h('div', { class: 'row spread' },
      h('div', { class: 'row' }, h('strong', {}, run.verify ? 'Verification' : 'Rebuild'), h('span', { class: `badge ${tone}` }, ended)),
      h('span', { class: 'small muted' }, 'by ', h('bdi', {}, say(run.by)), ', begun ', time(run.beganAt), run.endedAt ? [', ended ', time(run.endedAt)] : '')),
    run.state === 'running' && progress(run, generation),
    run.error && h('p', { class: 'notice bad' }, run.error),
    run.result && result(run.result),
    run.differences?.length > 0 && differences(run));
}

function progress({ stage, perSecond }, generation) {
  const at = stages.findIndex(([name]) => name === stage);
  const total = generation?.messages ?? 0, read = Math.max(0, total - (generation?.lag ?? 0));
  const left = perSecond > 0 ? (total - read) / perSecond : null;
  const text = [`${number.format(read)} of ${number.format(total)} messages`, perSecond > 0 && `${number.format(Math.round(perSecond))} a second`, left > 1 && stage === 'read' && `${duration(left)} left`]
    .filter(Boolean).join(' · ');
  return h('div', { class: 'stack progress' },
    h('ol', { class: 'stages small' }, stages.map(([, name], i) => h('li', { class: i < at ? 'done' : i === at ? 'now' : '', 'aria-current': i === at ? 'step' : null }, name))),
    generation && h('progress', { max: Math.max(1, total), value: read, 'aria-label': 'Messages read' }),
    generation && h('p', { class: 'small muted' }, text));
}

function result({ old, new: made, records, equal, resumed }) {
  const rows = [['Live', old], ['New', made]].filter(([, digest]) => digest?.sum); // empty before the comparison
  return h('dl', { class: 'facts small' },
    rows.map(([name, { rows: count, sum }]) => [h('dt', {}, name), h('dd', {}, `${number.format(count)} rows, digest `, h('span', { class: 'mono break' }, sum))]),
    rows.length > 0 && [h('dt', {}, 'Compared'), h('dd', {}, equal ? 'equal' : 'not equal')],
    records > 0 && [h('dt', {}, 'Read'), h('dd', {}, `${number.format(records)} messages${resumed ? ', going on where another was cut off' : ''}`)]);
}

const columns = [
  { name: 'Row', head: true, cell: ({ table: where, key }) => h('span', { class: 'break' }, where, Object.entries(key ?? {}).map(([name, value]) => ` ${name}=${say(value)}`)) },
  { name: 'Live → new', cell: ({ live, new: made }) => h('div', {},
    !live && h('p', { class: 'small muted' }, 'only in the new one'), !made && h('p', { class: 'small muted' }, 'only in the live one'),
    diff({ source: 'change', operation: 'UPDATE', old: live, new: made }, { all: true })) },
];

function differences({ differences: list, projection, beganAt }) {
  return h('details', {}, h('summary', { class: 'small', 'data-action': `differences ${projection} ${beganAt}` }, list.length === 1 ? 'The row that differs' : `${list.length} rows that differ`), table('Rows that differ', columns, list));
}
