// What the page says besides its content: short messages, questions, and
// whether the service can be reached.

import { byAction, h, icon, icons, newID } from './dom.js';

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
  // The browser gives the focus back to where it was, unless that was replaced.
  const action = document.activeElement?.dataset.action;
  dialog.addEventListener('close', () => {
    dialog.remove();
    if (action && document.activeElement === document.body) byAction(document, action)?.focus();
  });
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
 * Shows a banner while the service cannot be reached or cannot do its job,
 * looks for it, and sends the event helfy:reachable to the window when it is
 * there again. helfy:unreachable says that there was no answer; helfy:doubtful
 * that there may be something wrong, which is found out first.
 */
export function watchConnection() {
  const banner = document.getElementById('banner');
  let probing, asking = false;
  const lost = (text) => {
    banner.hidden = false;
    // What has not changed is not read out again.
    if (banner.textContent !== text) banner.textContent = text;
    probing ??= setInterval(probe, probeEvery);
  };
  const silent = () => lost(navigator.onLine
    ? 'Helfy cannot be reached. Trying again…'
    : 'This device is offline. What is shown may be old.');
  const probe = async () => {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch('/readyz', { cache: 'no-store', signal: AbortSignal.timeout(probeEvery) });
      if (answer.ok) found();
      else lost('A part of Helfy is away. What is shown may be old. Trying again…');
    } catch {
      silent(); // says so in other words when the device has gone off or on
    } finally {
      asking = false;
    }
  };
  const found = () => {
    if (!probing) return; // nothing was wrong
    clearInterval(probing);
    probing = undefined;
    banner.hidden = true;
    toast('Connected again');
    dispatchEvent(new Event('helfy:reachable'));
  };
  addEventListener('helfy:unreachable', silent);
  addEventListener('offline', silent);
  addEventListener('helfy:doubtful', () => { if (!probing) probe(); });
  addEventListener('online', () => { if (probing) probe(); });
}
