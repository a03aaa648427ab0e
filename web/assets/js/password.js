// What a field for a password has besides: a button that shows it, and a hint
// while caps lock is on.

import { h, icon, newID } from './dom.js';

const icons = {
  eye: 'M2 10s3-5.5 8-5.5 8 5.5 8 5.5-3 5.5-8 5.5S2 10 2 10Zm8 2.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4Z',
  eyeOff: 'M3 3l14 14M8.4 4.7A8 8 0 0 1 10 4.5c5 0 8 5.5 8 5.5a14 14 0 0 1-2.3 2.9M12 15.2a7.6 7.6 0 0 1-2 .3c-5 0-8-5.5-8-5.5a14 14 0 0 1 3.3-3.7M8.5 8.5a2.2 2.2 0 0 0 3 3',
  capsLock: 'M10 3l6 6.5h-3.5V13h-5V9.5H4L10 3Zm-2.5 13.5h5',
};

/** Wraps a password's input that stands in the document or in a field. */
export function enhance(input) {
  const button = h('button', {
    type: 'button', class: 'button quiet icon', 'aria-label': 'Show password', 'aria-pressed': 'false', title: 'Show password',
  }, icon(icons.eye));
  const hint = h('p', { class: 'caps', id: newID(), role: 'status' });
  const wrapper = h('div', { class: 'secret' });
  input.replaceWith(wrapper);
  wrapper.append(input, button);
  wrapper.after(hint);

  const show = (shown) => {
    input.type = shown ? 'text' : 'password';
    button.setAttribute('aria-pressed', String(shown));
    button.replaceChildren(icon(shown ? icons.eyeOff : icons.eye));
  };
  button.addEventListener('click', () => show(input.type === 'password'));
  // Password managers store what is in a field of the type password.
  input.form?.addEventListener('submit', () => show(false));

  let on = false;
  const look = (event) => {
    const now = event.type !== 'blur' && Boolean(event.getModifierState?.('CapsLock'));
    if (now === on) return;
    on = now;
    hint.replaceChildren(...(on ? [icon(icons.capsLock), 'Caps lock is on'] : []));
  };
  for (const event of ['keydown', 'keyup', 'mousedown', 'blur']) input.addEventListener(event, look);
}
