// When people sign in, and when they fail to.

import { get } from '../api.js';
import { h } from '../dom.js';
import { columns, grid, plot } from '../plot.js';
import { copyable, empty, fillWith, loginCommand } from '../states.js';
import { table } from '../table.js';
import { time } from '../time.js';

const hour = 3_600_000, day = 24 * hour;
// Hours come in UTC and are put into the days of the viewer's zone here; of a
// year there are more hours than the API answers, so its days are those of UTC.
const ranges = {
  day: { name: '24 hours', bucket: 'hour', length: day },
  week: { name: '7 days', bucket: 'hour', length: 7 * day },
  month: { name: '30 days', bucket: 'hour', length: 30 * day, byDay: true },
  year: { name: 'A year', bucket: 'day', length: 365 * day },
};
const heatLength = 28 * day;
const number = new Intl.NumberFormat(), decimal = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const date = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' });
const short = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short', timeZone: 'UTC' });
// 1 January 2024 was a Monday.
const weekdays = Array.from({ length: 7 }, (_, i) => weekday.format(Date.UTC(2024, 0, 1 + i)));
const hours = Array.from({ length: 24 }, (_, i) => String(i).padStart(2, '0'));

export function render(container, context) {
  const asked = context.query.get('range');
  let range = Object.hasOwn(ranges, asked ?? '') ? asked : 'week', tables = false;
  const box = h('div', { class: 'page' });
  const choices = Object.entries(ranges).map(([key, { name }]) => h('button', {
    type: 'button', class: 'button small', 'aria-pressed': String(key === range), on: { click: (event) => choose(key, event.currentTarget) },
  }, name));
  const asTables = h('button', { type: 'button', class: 'button small', 'aria-pressed': 'false', on: { click: () => {
    tables = !tables;
    asTables.setAttribute('aria-pressed', String(tables));
    show();
  } } }, 'As tables');
  const choose = (key, pressed) => {
    range = key;
    for (const choice of choices) choice.setAttribute('aria-pressed', String(choice === pressed));
    context.setQuery({ range: key });
    show();
  };
  const show = () => fillWith(box, () => patterns(ranges[range], tables, context.signal), { ...context, keep: box.hasChildNodes() });
  container.append(h('header', { class: 'page-head' },
    h('div', {}, h('h1', {}, 'Patterns'), h('p', { class: 'small muted' }, `In the time zone ${Intl.DateTimeFormat().resolvedOptions().timeZone}`)),
    h('div', { class: 'row' }, h('div', { class: 'segments', role: 'group', 'aria-label': 'How far back' }, choices), asTables)), box);
  show();
}

async function patterns(range, tables, signal) {
  const read = (bucket, length) => get('/api/stats/logins', { params: { bucket, from: new Date(Date.now() - length).toISOString() }, signal });
  const [main, heat] = await Promise.all([read(range.bucket, range.length), read('hour', heatLength)]);
  const periods = range.byDay ? byDay(main.buckets) : main.buckets.map((bucket) => ({ ...bucket, ...names(bucket.start, range) }));
  const logins = sum(periods, 'logins'), failures = sum(periods, 'failures');
  if (logins + failures + sum(heat.buckets, 'logins') + sum(heat.buckets, 'failures') === 0) {
    return h('section', { class: 'card' }, empty('Nobody has signed in', h('p', { class: 'muted' }, 'Logins and failures are counted here as soon as they are in the trail. This makes one:'), copyable(loginCommand())));
  }
  const rate = share(failures, logins + failures);
  const summary = `${number.format(logins)} logins and ${number.format(failures)} failures in ${range.name}`;
  return h('div', { class: 'page' },
    h('div', { class: 'tiles' },
      tile('Logins', number.format(logins)), tile('Failures', number.format(failures)),
      tile('Error rate', rate === null ? '–' : percent(rate)), tile('Lockouts', number.format(sum(periods, 'lockouts')))),
    card('Logins and failures', h('p', { class: 'row small muted' }, swatch('logins', 'Logins'), swatch('failures', 'Failures')), tables
      ? table('Logins and failures', periodColumns, periods)
      : plot(`${summary}, per ${range.byDay || range.bucket === 'day' ? 'day' : 'hour'}`, (width) => columns(
        periods.map((period) => ({ label: period.label, values: [period.logins, period.failures], text: `${period.title}: ${plural(period.logins, 'login')}, ${plural(period.failures, 'failure')}` })),
        { width, classes: ['logins', 'failures'] }))),
    tables ? '' : card('Error rate', h('span', { class: 'small muted' }, 'failures of all tries'),
      plot(`Error rate in ${range.name}: ${rate === null ? 'no tries' : percent(rate)}`, (width) => columns(
        periods.map((period) => {
          const here = share(period.failures, period.logins + period.failures);
          return { label: period.label, values: [here === null ? null : here * 100], text: `${period.title}: ${here === null ? 'no tries' : percent(here)}` };
        }), { width, height: 170, line: true, most: 100, unit: ' %' }))),
    peaks(heat.buckets, tables),
    main.completeThrough ? h('p', { class: 'small muted' }, 'Complete through ', time(main.completeThrough, 'absolute'), main.deadLetters ? `, but for ${plural(main.deadLetters, 'dead letter')}` : '') : '');
}

/** Puts hours together by the days of the viewer's zone. */
function byDay(buckets) {
  const days = new Map();
  for (const { start, logins, failures, lockouts } of buckets) {
    const at = new Date(start), key = at.toDateString();
    const sums = days.get(key) ?? { start, label: short.format(at), title: date.format(at), logins: 0, failures: 0, lockouts: 0 };
    days.set(key, { ...sums, logins: sums.logins + logins, failures: sums.failures + failures, lockouts: sums.lockouts + lockouts });
  }
  return [...days.values()];
}

function names(start, range) {
  const at = new Date(start);
  if (range.bucket === 'day') {
    const utc = { timeZone: 'UTC', day: 'numeric', month: 'short' };
    return { label: at.getUTCDate() === 1 ? at.toLocaleDateString(undefined, { timeZone: 'UTC', month: 'short' }) : '', title: `${at.toLocaleDateString(undefined, { ...utc, year: 'numeric' })} (UTC)` };
  }
  const first = at.getHours() === 0;
  return { label: range.length > day ? (first ? short.format(at) : '') : clock.format(at), title: `${date.format(at)}, ${clock.format(at)}` };
}

function peaks(buckets, tables) {
  const cells = weekdays.map((dayName) => hours.map((hourName) => ({ value: 0, failures: 0, name: `${dayName} ${hourName}:00` })));
  for (const { start, logins, failures } of buckets) {
    const at = new Date(start), cell = cells[(at.getDay() + 6) % 7][at.getHours()];
    cell.value += logins;
    cell.failures += failures;
  }
  for (const cell of cells.flat()) cell.text = `${cell.name}: ${plural(cell.value, 'login')}, ${plural(cell.failures, 'failure')}`;
  const peak = cells.flat().reduce((best, cell) => (cell.value > best.value ? cell : best));
  const note = peak.value > 0 ? `most on ${peak.name}, in 28 days` : 'in 28 days';
  return card('Peak hours', h('span', { class: 'small muted' }, note), tables
    ? table('Logins by weekday and hour', [{ name: 'Hour', head: true, cell: ({ hourName }) => `${hourName}:00` },
      ...weekdays.map((dayName, r) => ({ name: dayName, number: true, cell: ({ c }) => number.format(cells[r][c].value) }))],
    hours.map((hourName, c) => ({ hourName, c })))
    : plot(`Logins by weekday and hour, ${note}`, (width) => grid(cells, { width, rows: weekdays, columns: hours }), { columns: 24 }));
}

const periodColumns = [
  { name: 'Time', head: true, cell: ({ title }) => title },
  { name: 'Logins', number: true, cell: ({ logins }) => number.format(logins) },
  { name: 'Failures', number: true, cell: ({ failures }) => number.format(failures) },
  { name: 'Error rate', number: true, cell: ({ logins, failures }) => (logins + failures ? percent(failures / (logins + failures)) : '–') },
  { name: 'Lockouts', number: true, cell: ({ lockouts }) => number.format(lockouts) },
];

const card = (title, note, content) => h('section', { class: 'card' }, h('header', {}, h('h2', {}, title), note), content);
const tile = (name, value) => h('div', { class: 'tile' }, h('span', { class: 'name' }, name), h('span', { class: 'value' }, value));
const swatch = (kind, text) => h('span', { class: 'row' }, h('span', { class: `swatch ${kind}` }), text);
const sum = (list, name) => list.reduce((total, one) => total + one[name], 0);
const percent = (part) => `${decimal.format(100 * part)} %`;
const share = (part, whole) => (whole > 0 ? part / whole : null);
const plural = (count, noun) => `${number.format(count)} ${noun}${count === 1 ? '' : 's'}`;
