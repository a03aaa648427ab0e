// Server-sent events that come back by themselves, without a gap.

import { get } from './api.js';

const firstWait = 1_000, longestWait = 30_000;

/**
 * Opens a stream of events until signal is aborted. `on` has a function for
 * each type of event that is given its data; `state` is told "open" and
 * "waiting". The browser resumes a broken connection itself; one that was
 * refused is opened again here, after the last event that came.
 */
export function openStream(path, { on, state = () => {}, signal }) {
  let source, timer, wait = firstWait, last = '';

  function open() {
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
    if (!signal.aborted) open();
  }

  open();
  signal.addEventListener('abort', () => { clearTimeout(timer); source.close(); });
}
