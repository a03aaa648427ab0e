// Now: how it is at the moment. Each number leads to the list behind it.

import { get, withParams } from '../api.js';
import { legend, sparkline } from '../chart.js';
import { h, refill } from '../dom.js';
import { ownLogins } from '../logins.js';
import { fillWith } from '../states.js';
import { openStream } from '../stream.js';
import { table } from '../table.js';
import { absolute, ago, midnight, tellAgo, time, timeSwitch } from '../time.js';

const number = new Intl.NumberFormat();
const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
// Sums are read again when the stream tells of something new, but not more
// often than this, and every pollEvery while there is no stream.
const atMostEvery = 2_000, pollEvery = 5_000, chartEvery = 10_000, anywayEvery = 60_000;

export function render(container, context) {
  return context.me.role === 'admin' ? renderAll(container, context) : renderOwn(container, context);
}

/** What somebody sees who is no administrator: their own logins. */
function renderOwn(container, context) {
  const logins = h('div'), sessions = h('div');
  const pages = ownLogins(10, context);
  container.append(
    h('header', { class: 'page-head' }, h('h1', {}, 'Now'), timeSwitch()),
    sessions,
    h('section', { class: 'card flush' }, h('header', {}, h('h2', {}, 'My last logins')), logins));
  fillWith(sessions, async () => {
    const list = (await get('/api/sessions', { signal: context.signal })).sessions;
    return h('div', { class: 'tiles' }, tile('My sessions', number.format(list.length), { href: '/me', note: 'Anything strange? Sign out there.' }));
  }, { ...context, lines: 2 });
  fillWith(logins, async () => { await pages.turn(0); return pages.box; }, context);
}

function renderAll(container, context) {
  const live = h('span', { class: 'badge' }, h('span', { class: 'dot' }), 'Connecting');
  const sums = h('div'), health = h('div'), chart = h('div', { class: 'stack' }), tiles = makeTiles(), trail = makeTrail();
  container.append(
    h('header', { class: 'page-head' }, h('h1', {}, 'Now'), h('div', { class: 'row' }, live, timeSwitch())),
    sums,
    h('div', { class: 'grid' },
      h('section', { class: 'card' }, h('header', {}, h('h2', {}, 'Last 24 hours'), h('a', { href: '/patterns' }, 'Patterns')), chart),
      h('section', { class: 'card' }, h('header', {}, h('h2', {}, 'The trail')), health)));

  let dirty = true, failing = false, lastRead = 0, drawn = 0, reading = false, connected = false;
  const say = () => live.replaceChildren(h('span', { class: connected && !failing ? 'dot good' : 'dot warn' }),
    failing ? 'Not up to date' : connected ? 'Live' : `Every ${pollEvery / 1000} s`);
  const read = async () => {
    dirty = false;
    lastRead = Date.now();
    const status = await get('/api/status', { params: { since: midnight() }, signal: context.signal });
    failing = false;
    tiles.show(status);
    trail.show(status);
    if (!trail.box.isConnected) health.replaceChildren(trail.box);
    return tiles.box;
  };
  const refresh = async () => {
    if (reading || document.hidden || Date.now() - lastRead < atMostEvery) return;
    reading = true;
    try {
      const shown = await read();
      if (!shown.isConnected) refill(sums, shown);
    } catch {
      failing = dirty = true; // what is shown stays
    } finally {
      reading = false;
      if (!context.signal.aborted) say();
    }
  };
  health.replaceChildren(h('p', { class: 'muted' }, 'Loading…'));
  fillWith(sums, read, { ...context, lines: 3 });
  const draw = (keep) => {
    drawn = Date.now();
    return fillWith(chart, async () => {
      const shown = chart.querySelector('.day');
      try {
        return await day(context.signal, shown?.querySelector('details').open);
      } catch (error) {
        if (!shown || context.signal.aborted) throw error;
        failing = true;
        say();
        return shown;
      }
    }, { ...context, keep, lines: 3 });
  };
  draw(false);

  openStream('/api/audit/stream?source=event', {
    signal: context.signal,
    on: {
      entry() { dirty = true; },
      finding() { dirty = true; },
      reset() { dirty = true; },
      complete(told) {
        trail.complete(told);
        if (dirty) refresh();
      },
    },
    state(now) {
      connected = now === 'open';
      say();
      if (!connected) refresh();
    },
  });
  const timers = [
    setInterval(() => { if (!connected || failing || Date.now() - lastRead > anywayEvery) refresh(); }, pollEvery),
    setInterval(() => {
      const due = lastRead > drawn || Date.now() - drawn > anywayEvery;
      // Not while somebody reads the table, or nothing can be read.
      if (due && !failing && !document.hidden && !chart.contains(document.activeElement)) draw(true);
    }, chartEvery),
  ];
  const again = () => { refresh(); draw(true); };
  addEventListener('helfy:reachable', again);
  return () => {
    timers.forEach(clearInterval);
    removeEventListener('helfy:reachable', again);
  };
}

function tile(name, value, { href, note, tone = '' }) {
  return h('a', { class: `tile ${tone}`, href }, h('span', { class: 'name' }, name), h('span', { class: 'value' }, value), h('span', { class: 'note' }, note));
}

/** Today's numbers. The tiles stay when they change, and with them the focus. */
function makeTiles() {
  const box = h('div', { class: 'tiles' }), made = new Map();
  const show = (name, value, { href, note, tone = '' }) => {
    if (!made.has(name)) made.set(name, box.appendChild(tile(name, '', { href })));
    const link = made.get(name), [, count, text] = link.children;
    link.href = href;
    link.className = `tile ${tone}`;
    count.textContent = number.format(value);
    text.textContent = note;
  };
  return { box, show({ today, findings }) {
    const list = (eventType) => withParams('/trail', { eventType, from: midnight() });
    const tries = today.logins + today.failures;
    const kinds = Object.entries(findings.byKind).map(([kind, count]) => `${count} × ${kind}`).join(', ');
    show('Logins today', today.logins, { href: list('LOGIN_SUCCESS'), note: `since ${absolute(today.from)}` });
    show('Failures today', today.failures, { href: list('LOGIN_FAILURE'), note: tries ? `${Math.round((100 * today.failures) / tries)} % of all tries` : 'no tries yet' });
    show('Lockouts today', today.lockouts, { href: list('USER_LOCKED'), note: 'by wrong passwords', tone: today.lockouts ? 'warn' : '' });
    show('Users today', today.users, { href: list('LOGIN_SUCCESS'), note: 'who have signed in' });
    show('Findings', findings.total, { href: '/trail?findings=true', note: kinds || 'the trail is whole', tone: findings.total ? 'bad' : '' });
  } };
}

/**
 * How complete the trail is, and what keeps it from being so. It is told anew
 * once a second: only what has changed is written, and links stay.
 */
function makeTrail() {
  const through = h('strong'), lag = ago(0), known = [h('a', { href: '/trail' }, through), h('span', { class: 'muted nowrap' }, ' (', lag, ')')];
  const verified = h('a', { href: '/trail?findings=true' }), letters = h('a', { href: '/projections' });
  const broken = h('span', { class: 'muted' }, ' could not be understood');
  const fact = (name) => [h('dt', {}, name), h('dd')];
  const facts = ['Complete through', 'Verified through', 'Changefeed', 'Dead letters', 'Gaps'].map(fact);
  const [complete, verification, feed, dead, gaps] = facts.map(([, dd]) => dd);
  const box = h('dl', { class: 'facts' }, facts);
  dead.append(letters, broken);
  const written = new Map();
  /** Fills an element if what it is made of is not what it was. */
  const fill = (element, data, make) => {
    const text = JSON.stringify(data);
    if (written.get(element) === text) return;
    written.set(element, text);
    element.replaceChildren(...[make()].flat(Infinity).filter(Boolean));
  };
  const told = ({ completeThrough, lagSeconds, deadLetters }) => {
    fill(complete, Boolean(completeThrough), () => (completeThrough ? known : 'not known yet'));
    if (completeThrough) {
      fill(through, absolute(completeThrough), () => absolute(completeThrough));
      tellAgo(lag, lagSeconds ?? 0);
    }
    fill(letters, deadLetters, () => number.format(deadLetters));
    broken.hidden = deadLetters === 0;
  };
  return { box, complete: told, show(status) {
    told(status);
    const { verifiedThrough, changefeed, gaps: missing } = status;
    if (verifiedThrough) fill(verified, verifiedThrough, () => time(verifiedThrough, 'absolute'));
    fill(verification, Boolean(verifiedThrough), () => (verifiedThrough ? verified : 'not known yet'));
    const tone = { normal: 'good', warning: 'warn', stopped: 'warn' }[changefeed.state] ?? 'bad';
    fill(feed, changefeed, () => [h('span', { class: `badge ${tone}` }, changefeed.state),
      changefeed.checkpointAt ? [' sent up to ', time(changefeed.checkpointAt, 'absolute')] : '',
      [changefeed.error, ...changefeed.differences].filter(Boolean).map((text) => h('p', { class: 'notice bad' }, text))]);
    fill(gaps, missing, () => (missing ?? []).map(({ from, to }) => h('p', {}, from ? absolute(from) : 'the beginning', ' to ', absolute(to), ' was not sent')));
    for (const part of facts.at(-1)) part.hidden = !missing?.length;
  } };
}

/** The last 24 hours as lines, and as a table for who does not see them. */
async function day(signal, open) {
  const { buckets } = await get('/api/stats/logins', { params: { bucket: 'hour' }, signal });
  const series = [
    { name: 'Logins', values: buckets.map(({ logins }) => logins) },
    { name: 'Failures', values: buckets.map(({ failures }) => failures), bad: true },
  ];
  const total = (values) => number.format(values.reduce((sum, value) => sum + value, 0));
  const text = series.map(({ name, values }) => `${total(values)} ${name.toLowerCase()}`).join(' and ');
  return h('div', { class: 'stack day' },
    h('div', {}, sparkline(series, `${text} in the last 24 hours`),
      h('p', { class: 'hours', 'aria-hidden': 'true' }, buckets.filter((_, i) => i % 6 === 0 && i < buckets.length - 3).map(({ start }) => h('span', {}, hour.format(new Date(start)))), h('span', {}, 'now'))),
    h('div', { class: 'row spread' }, legend(series), h('span', { class: 'small muted' }, text)),
    h('details', { open }, h('summary', { class: 'small' }, 'The same as a table'),
      table('Logins and failures per hour', [
        { name: 'Hour', head: true, cell: ({ start }) => absolute(start) },
        { name: 'Logins', number: true, cell: ({ logins }) => number.format(logins) },
        { name: 'Failures', number: true, cell: ({ failures }) => number.format(failures) },
      ], buckets)));
}
