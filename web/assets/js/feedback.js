// What the page says besides its content: short messages, questions, and
// whether the service can be reached.

import { h, icon, icons, newID } from './dom.js';

const shownFor = 5_000;

/** Tells screen readers a text, politely. */
export function announce(text) {
  const live = document.getElementById('live');
  live.textContent = '';
  requestAnimationFrame(() => { live.textContent = text; });
}

/** Shows a short message for some seconds. */
export function toast(text) {
  const message = h('p', { class: 'toast' }, text);
  document.getElementById('toasts').append(message);
  announce(text);
  setTimeout(() => message.remove(), shownFor);
}

/**
 * Opens a dialog with a title and content, and returns it. It goes away when
 * it is closed: by its button, by Escape, or by dialog.close(value).
 */
export function openDialog(title, ...content) {
  const id = newID();
  const dialog = h('dialog', { 'aria-labelledby': id },
    h('div', { class: 'dialog' },
      h('header', {},
        h('h2', { id }, title),
        h('button', { type: 'button', class: 'button quiet icon small', 'aria-label': 'Close', on: { click: () => dialog.close() } }, icon(icons.close))),
      content));
  // A press beside it closes it; one that only ends there does not.
  dialog.addEventListener('mousedown', (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks whether to do something, and resolves to true or false. */
export function confirm({ title, text, action, danger = false }) {
  return new Promise((resolve) => {
    const done = () => dialog.close('yes');
    const dialog = openDialog(title,
      h('p', {}, text),
      h('footer', {},
        h('button', { type: 'button', class: 'button', autofocus: true, on: { click: () => dialog.close() } }, 'Cancel'),
        h('button', { type: 'button', class: `button primary ${danger ? 'danger' : ''}`, on: { click: done } }, action)));
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'));
  });
}

const probeEvery = 3_000;

/**
 * Shows a banner while the service cannot be reached, looks for it, and sends
 * the event helfy:reachable to the window when it is there again.
 */
export function watchConnection() {
  const banner = document.getElementById('banner');
  let probing;
  const lost = () => {
    banner.hidden = false;
    banner.textContent = navigator.onLine
      ? 'Helfy cannot be reached. Trying again…'
      : 'This device is offline. What is shown may be old.';
    probing ??= setInterval(probe, probeEvery);
  };
  const probe = async () => {
    try {
      const answer = await fetch('/livez', { cache: 'no-store', signal: AbortSignal.timeout(probeEvery) });
      if (!answer.ok) return;
    } catch {
      lost(); // says so in other words when the device has gone off or on
      return;
    }
    clearInterval(probing);
    probing = undefined;
    banner.hidden = true;
    toast('Connected again');
    dispatchEvent(new Event('helfy:reachable'));
  };
  addEventListener('helfy:unreachable', lost);
  addEventListener('offline', lost);
  addEventListener('online', () => { if (probing) probe(); });
}
