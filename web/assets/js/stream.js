// Server-sent events that come back by themselves, without a gap.

import { get } from './api.js';

const firstWait = 1_000, longestWait = 30_000;
// The service tells how complete the log is about once a second, and every six
// seconds when Kafka is away. One that tells nothing for longer cannot read the
// log, or the connection has broken without a word, as it does when a device
// has slept: then it is opened anew.
const silentAfter = 8_000, openAnewAfter = 30_000, lookEvery = 2_000;

/**
 * Opens a stream of events until signal is aborted. `on` has a function for
 * each type of event that is given its data; `state` is told "open", "silent"
 * when nothing has come for some time, and "waiting". The browser resumes a
 * broken connection itself; one that was refused is opened again here, after
 * the last event that came. So is one of a page that nobody sees, when it is
 * seen again: over HTTP/1.1 a browser has six connections for all its tabs.
 */
export function openStream(path, { on, state = () => {}, signal }) {
  let source, timer, wait = firstWait, last = '', now = '', heardAt = 0;

  function tell(next) {
    if (next !== now) state(now = next);
  }

  function open() {
    close(); // never two at once
    const address = new URL(path, location.origin);
    if (last) address.searchParams.set('lastEventId', last);
    heardAt = Date.now();
    source = new EventSource(address);
    source.onopen = () => {
      wait = firstWait;
      heardAt = Date.now();
      tell('open');
    };
    source.onerror = () => {
      tell('waiting');
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(again, wait);
      wait = Math.min(2 * wait, longestWait);
    };
    for (const [type, listener] of Object.entries(on)) {
      source.addEventListener(type, (event) => {
        if (event.lastEventId) last = event.lastEventId;
        heardAt = Date.now();
        tell('open');
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
    if (document.hidden) tell('waiting');
    else open();
  }

  function listen() {
    const silence = Date.now() - heardAt;
    if (document.hidden || source?.readyState !== EventSource.OPEN || silence < silentAfter) return;
    tell('silent');
    dispatchEvent(new Event('helfy:doubtful'));
    if (silence > openAnewAfter) open();
  }

  if (!document.hidden) open();
  const listening = setInterval(listen, lookEvery);
  document.addEventListener('visibilitychange', look, { signal });
  addEventListener('helfy:reachable', () => { if (now === 'waiting') look(); }, { signal });
  signal.addEventListener('abort', () => {
    clearInterval(listening);
    close();
  });
}
