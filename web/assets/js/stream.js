// Server-sent events that come back by themselves, without a gap.

import { get } from './api.js';

const firstWait = 1_000, longestWait = 30_000;

/**
 * Opens a stream of events until signal is aborted. `on` has a function for
 * each type of event that is given its data; `state` is told "open" and
 * "waiting". The browser resumes a broken connection itself; one that was
 * refused is opened again here, after the last event that came. So is one of a
 * page that nobody sees, when it is seen again: over HTTP/1.1 a browser has six
 * connections for all its tabs.
 */
export function openStream(path, { on, state = () => {}, signal }) {
  let source, timer, wait = firstWait, last = '';

  function open() {
    close(); // never two at once
    const address = new URL(path, location.origin);
    if (last) address.searchParams.set('lastEventId', last);
    source = new EventSource(address);
    source.onopen = () => { wait = firstWait; state('open'); };
    source.onerror = () => {
      state('waiting');
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(again, wait);
      wait = Math.min(2 * wait, longestWait);
    };
    for (const [type, listener] of Object.entries(on)) {
      source.addEventListener(type, (event) => {
        if (event.lastEventId) last = event.lastEventId;
        listener(JSON.parse(event.data), event.lastEventId);
      });
    }
  }

  // An EventSource does not tell why it was refused: an ended session leads to
  // the sign-in.
  async function again() {
    await get('/api/me', { signal }).catch(() => {});
    if (!signal.aborted && !document.hidden) open();
  }

  function close() {
    clearTimeout(timer);
    source?.close();
  }

  function look() {
    close();
    if (document.hidden) state('waiting');
    else open();
  }

  if (!document.hidden) open();
  document.addEventListener('visibilitychange', look, { signal });
  signal.addEventListener('abort', close);
}
