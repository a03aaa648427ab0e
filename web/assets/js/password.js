// What a field for a password has besides: a button that shows it, and a hint
// while caps lock is on.

import { h, icon, icons, newID } from './dom.js';

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
