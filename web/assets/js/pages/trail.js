// The live audit log, one row per transaction.

import { ApiError, withParams } from '../api.js';
import { compareTs } from '../audit.js';
import { h } from '../dom.js';
import { announce, toast } from '../feedback.js';
import { copyable, empty, failed, loginCommand, skeleton } from '../states.js';
import { openStream } from '../stream.js';
import { absolute, ago } from '../time.js';
import { exportMenu, filterForm, readFilter } from '../trail-filter.js';
import { TrailList } from '../trail-list.js';
import { Waiting } from '../trail-live.js';
import { Findings, positionAfter, readPage, slim } from '../trail-pages.js';

// Rows come in together that often; they are told to screen readers less often.
const flushEvery = 100, announceEvery = 10_000;
// A stream that neither opens nor fails must not keep the list away.
const streamPatience = 3_000;
const keptPositions = 1_000, keptNames = 5_000;

export function render(container, context) {
  const complete = h('p', { class: 'small muted complete' }), menu = h('span'), controls = h('div', { class: 'row' }), box = h('div', { class: 'page' });
  let part;
  const show = (params, restored) => {
    part?.abort();
    part = new AbortController();
    context.signal.addEventListener('abort', () => part.abort(), { once: true });
    menu.replaceChildren(exportMenu(params));
    box.replaceChildren();
    controls.replaceChildren();
    showTrail(params, { box, controls, complete, signal: part.signal, restored });
  };
  const params = readFilter(context.query);
  const form = filterForm(params, (chosen) => {
    context.setQuery(chosen);
    show(chosen);
  });
  container.append(h('header', { class: 'page-head' }, h('div', {}, h('h1', {}, 'Trail'), complete), h('div', { class: 'row' }, controls, menu)), form, box);
  show(params, history.state?.trail);
  return () => part.abort();
}

/** Shows what the parameters choose until signal is aborted. */
function showTrail(params, { box, controls, complete, signal, restored }) {
  const names = new Map(), findings = new Findings(), waiting = new Waiting(), joining = new Waiting(), marked = new Set();
  const filtered = Object.keys(params).length > 0;
  const list = new TrailList(findings, {
    withEvents: !params.source && !params.eventType && !params.operation && !params.table && !params.ip,
    nameOf: (id) => names.get(id),
  });
  // Positions of the pages that were seen, up to the one after what is shown.
  let positions = restored?.positions ?? [null], page = restored?.page ?? 0;
  let loading = null, loaded = false, paused = false, gap = false, resumable = false, timer, told = 0, untold = 0;

  // What is said of the stream
  const state = h('span', { class: 'badge' });
  const pause = h('button', { type: 'button', class: 'button', 'data-action': 'pause', on: { click: () => setPaused(!paused) } }, 'Pause');
  const newer = h('button', { type: 'button', class: 'button primary newer', hidden: true, on: { click: toNewest } });
  const body = h('section', { class: 'card flush' });
  controls.append(state, pause);
  box.append(newer, body);
  say('', 'Connecting');

  function say(tone, text) { state.replaceChildren(h('span', { class: `dot ${tone}` }), text); }

  /** Reads a page and shows it; what the stream has told meanwhile comes with the newest. */
  async function load(to, { keep = false } = {}) {
    loading?.abort();
    const mine = loading = new AbortController();
    if (to === 0) waiting.stale = false; // it is read now
    const either = AbortSignal.any([signal, mine.signal]);
    if (!keep) body.replaceChildren(skeleton(8));
    body.setAttribute('aria-busy', 'true');
    try {
      const result = await readPage(params, positions[to], either);
      if (result.rows.length > 0) await findings.reach(result.rows.at(-1)[0], either);
      if (either.aborted) return;
      list.clear();
      for (const [commitTs, entries] of result.rows) put(commitTs, entries);
      positions = [...positions.slice(0, to), slim(positions[to]), result.next];
      page = to;
      loaded = true;
      remember();
      if (page === 0) flush(true);
      draw();
    } catch (error) {
      if (either.aborted) return;
      if (to === 0) waiting.stale = true;
      if (!(error instanceof ApiError)) console.error(error);
      if (loaded && keep) toast(error.message);
      else body.replaceChildren(failed(error, () => load(to)));
    } finally {
      if (loading === mine) {
        loading = null;
        body.removeAttribute('aria-busy');
      }
    }
  }

  function put(commitTs, entries, fresh) {
    if (names.size > keptNames) names.clear();
    for (const { userId, username } of entries) if (userId && username) names.set(String(userId), username);
    list.put(commitTs, entries, fresh);
  }

  // A page that is come back to is the one that was left.
  function remember() {
    if (positions.length > keptPositions) return;
    const kept = page === 0 ? undefined : { page, positions };
    history.replaceState(kept && { trail: kept }, '');
  }

  function draw() {
    if (list.size === 0) body.replaceChildren(nothing(filtered));
    else if (!list.box.isConnected) body.replaceChildren(list.box, pager());
    else body.lastElementChild.replaceWith(pager());
    drawWaiting();
  }

  function pager() {
    const button = (text, to, usable) => h('button', {
      type: 'button', class: 'button small', disabled: !usable, on: { click: (event) => turn(event.currentTarget, to) },
    }, text);
    return h('nav', { class: 'pager', 'aria-label': 'Pages of the trail' },
      button('Newer', page - 1, page > 0), h('span', { class: 'muted small' }, page === 0 ? 'Newest' : `Page ${page + 1}`),
      button('Older', page + 1, positions[page + 1] != null));
  }

  async function turn(button, to) {
    button?.setAttribute('aria-busy', 'true');
    await load(to, { keep: true });
    button?.removeAttribute('aria-busy');
    if (signal.aborted || page !== to) return;
    announce(to === 0 ? 'Newest' : `Page ${to + 1}`);
    scrollTo(0, 0);
    list.box.focus({ preventScroll: true });
  }

  // What the stream tells
  const reading = () => list.size > 0 && list.box.getBoundingClientRect().top < 0;
  const mayShow = () => page === 0 && loaded && !loading && !paused && !reading();

  function take(entry) {
    if (params.from && Date.parse(entry.committedAt) < Date.parse(params.from)) return;
    if (params.to && Date.parse(entry.committedAt) >= Date.parse(params.to)) return;
    if (list.has(entry.commitTs) && !loading) {
      joining.add(entry);
    } else {
      // What belongs to a page further back is there when that is read.
      const bound = page === 0 ? positions[1] && list.oldest : list.newest;
      if (loaded && !loading && bound && compareTs(entry.commitTs, bound.commitTs) < 0) return;
      waiting.add(entry);
    }
    soon();
  }

  function soon() {
    timer ??= setTimeout(() => { timer = undefined; flush(); }, flushEvery);
  }

  function flush(first = false) {
    // A row that is shown becomes whole whatever is waiting.
    for (const commitTs of marked) list.mark(commitTs);
    marked.clear();
    for (const [commitTs, entries] of joining.take()) {
      if (list.has(commitTs)) put(commitTs, entries);
      else for (const entry of entries) waiting.add(entry);
    }
    if (first || mayShow()) {
      if (waiting.stale && !first) {
        waiting.clear();
        load(0, { keep: true });
        return;
      }
      const rows = waiting.take();
      const was = list.size;
      for (const [commitTs, entries] of rows) put(commitTs, entries, !first);
      if (!first) untold += rows.length;
      if (list.trim()) positions = [null, positionAfter(list.oldest)];
      if (!first && rows.length > 0 && (was === 0 || positions[1])) draw();
      tell();
    }
    drawWaiting();
  }

  function tell() {
    if (untold === 0 || Date.now() - told < announceEvery) return;
    announce(`${untold} new ${untold === 1 ? 'transaction' : 'transactions'}`);
    told = Date.now();
    untold = 0;
  }

  function drawWaiting() {
    const count = waiting.stale ? 'More' : String(waiting.size), some = waiting.size > 0 || waiting.stale;
    pause.textContent = paused ? (some ? `Resume (${count.toLowerCase()} waiting)` : 'Resume') : 'Pause';
    newer.hidden = paused || !some || (page === 0 && !reading());
    newer.textContent = waiting.stale ? 'Show what is new' : `${count} new`;
  }

  function setPaused(now) {
    paused = now;
    pause.classList.toggle('primary', paused);
    flush();
  }

  async function toNewest() {
    if (page > 0) {
      await turn(null, 0);
      return;
    }
    scrollTo(0, 0);
    list.box.focus({ preventScroll: true });
    flush();
  }

  const scrolled = () => { if (waiting.size > 0 || !newer.hidden) flush(); };
  addEventListener('scroll', scrolled, { passive: true, signal });

  // The stream is opened first: what is committed after that is told, and what
  // was before is read.
  const begin = () => { if (!loaded && !loading) load(page); };
  const late = setTimeout(() => { gap = !loaded; begin(); }, streamPatience);
  signal.addEventListener('abort', () => { clearTimeout(late); clearTimeout(timer); });
  const heard = (listener) => (data) => { resumable = true; listener(data); };
  openStream(withParams('/api/audit/stream', { ...params, from: undefined, to: undefined }), {
    signal,
    on: {
      entry: heard(take),
      finding: heard((finding) => {
        findings.add(finding);
        marked.add(finding.commitTs);
        soon();
      }),
      complete: heard(({ completeThrough, lagSeconds, deadLetters }) => {
        complete.replaceChildren(...(completeThrough ? [`Complete through ${absolute(completeThrough)} (`, ago(lagSeconds ?? 0), ')'] : ['Not known yet how complete it is']),
          deadLetters ? `, but for ${deadLetters} dead letter${deadLetters > 1 ? 's' : ''}` : '');
      }),
      reset: heard(() => {
        waiting.stale = true;
        flush();
      }),
    },
    state(now) {
      say(now === 'open' ? 'good' : 'warn', { open: 'Live', silent: 'Not up to date' }[now] ?? 'Reconnecting');
      if (now === 'open' && gap && loaded) {
        waiting.stale = true; // a stream without a position goes on from now
        flush();
      }
      gap = now !== 'open' && !resumable;
      begin();
      if (now === 'open') soon();
    },
  });
}

function nothing(filtered) {
  if (filtered) {
    return empty('Nothing matches', h('p', { class: 'muted' }, 'No entry of the trail is what the filter asks for.'), h('a', { class: 'button', href: '/trail' }, 'Show everything'));
  }
  return empty('Nothing has happened yet', h('p', { class: 'muted' }, 'A login shows up here as soon as it is committed. This makes one:'), copyable(loginCommand()));
}
