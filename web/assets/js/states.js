// What stands where content is not: loading, nothing there, failed.

import { ApiError } from './api.js';
import { h, holdPlace, icon, icons, refill } from './dom.js';

/** Stands for some lines that are being loaded. */
export function skeleton(lines = 4) {
  return h('div', { class: 'skeleton', role: 'status', 'aria-label': 'Loading' },
    Array.from({ length: lines }, () => h('span')));
}

/** Says that there is nothing, and what to do about it. */
export function empty(title, ...content) {
  return h('div', { class: 'state' }, icon(icons.empty), h('h2', {}, title), content);
}

/** Says what failed; the button calls retry, which also runs when the service can be reached again. */
export function failed(error, retry) {
  const box = h('div', { class: 'state', role: 'alert' }, icon(icons.failed),
    h('h2', {}, 'This could not be loaded'),
    h('p', { class: 'muted' }, error instanceof ApiError ? error.message : 'The page met a fault of its own.'),
    h('button', { type: 'button', class: 'button', on: { click: retry } }, 'Try again'));
  addEventListener('helfy:reachable', () => { if (box.isConnected) retry(); }, { once: true });
  return box;
}

/**
 * Fills box with what `load` resolves to: a node. Until then it shows a
 * skeleton, unless `keep` leaves what is there, and afterwards what failed.
 * What ends after signal is aborted is dropped. The focus stays within box.
 */
export async function fillWith(box, load, { signal, keep = false, lines } = {}) {
  const restore = keep ? () => {} : holdPlace(box);
  if (!keep) box.replaceChildren(skeleton(lines));
  box.setAttribute('aria-busy', 'true');
  try {
    const node = await load();
    // A list that is there has been filled anew by itself.
    if (!signal?.aborted && (box.childNodes.length !== 1 || box.firstChild !== node)) refill(box, node);
  } catch (error) {
    if (signal?.aborted) return;
    if (!(error instanceof ApiError)) console.error(error);
    refill(box, failed(error, () => fillWith(box, load, { signal, lines })));
  } finally {
    box.removeAttribute('aria-busy');
    if (!signal?.aborted) restore();
  }
}

/** Shows commands with a button that copies them. */
export function copyable(text) {
  const button = h('button', { type: 'button', class: 'button small' }, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch { // not allowed, or not over TLS
      getSelection().selectAllChildren(code);
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2_000);
  });
  const code = h('pre', { class: 'code wraps', tabindex: '0' }, text);
  return h('div', { class: 'copyable' }, code, button);
}

/** The line that makes a login, for pages that have nothing to show yet. */
export const loginCommand = () => `curl -X POST ${location.origin}/api/login -H 'Content-Type: application/json' \\
  -d '{"username":"NAME","password":"PASSWORD"}'`;
