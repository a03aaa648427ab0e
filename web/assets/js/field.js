// Labelled fields, in forms and out of them.

import { h, newID } from './dom.js';

/**
 * Makes a labelled input in a `div.field`. Besides `label` and `hint`, options
 * are the input's attributes. Options with `choices` ([value, text] pairs) make
 * a select.
 */
export function field({ label, hint, choices, value, ...attributes }) {
  const id = newID(), hintID = newID();
  const props = { id, 'aria-describedby': hint ? hintID : null, ...attributes };
  const input = choices
    ? h('select', props, choices.map(([key, text]) => h('option', { value: key }, text)))
    : h('input', { spellcheck: 'false', ...props });
  if (value != null) input.value = value;
  return h('div', { class: 'field' }, h('label', { for: id }, label), input, hint && h('p', { class: 'hint', id: hintID }, hint));
}
