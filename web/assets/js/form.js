// Forms: labelled fields, one place for what went wrong, and a submit button
// that waits when the service says so.

import { ApiError, newKey } from './api.js';
import { h, newID } from './dom.js';
import { field as plain } from './field.js';
import { enhance } from './password.js';

/** Makes a field as field.js does; a password's gets a button that shows it. */
export function field(options) {
  const row = plain(options);
  if (options.type === 'password') enhance(row.querySelector('input'));
  return row;
}

/** Makes the place of a form where it says what went wrong. */
export const alertBox = () => h('div', { class: 'alert', role: 'alert', hidden: true });

/** Makes a submit button. */
export const submitButton = (text, kind = 'primary') => h('button', { type: 'submit', class: `button ${kind}` }, text);

/**
 * Runs `send(values, key)` when a form is submitted, one at a time. `key` stays
 * the same while the same values are sent again. What it throws is shown: at
 * the field that the fault names, else in the form's `.alert`, in the words of
 * `describe(error)` if it returns any. After 429 and 503 the button counts down
 * to when there may be another try.
 */
export function onSubmit(form, send, describe = () => '') {
  const button = form.querySelector('[type="submit"]');
  let busy = false, sent = '', key = '', counting;
  form.noValidate = true;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (busy || button.getAttribute('aria-disabled') === 'true') return;
    clear(form);
    if (!complete(form)) return;
    const values = Object.fromEntries(new FormData(form));
    const now = JSON.stringify(values);
    if (now !== sent) [sent, key] = [now, newKey()];
    busy = true;
    button.setAttribute('aria-busy', 'true');
    try {
      await send(values, key);
      sent = '';
    } catch (error) {
      if (!(error instanceof ApiError)) console.error(error);
      else if (!error.passing) sent = '';
      show(form, error, describe(error));
      clearInterval(counting);
      if (error.retryAfter > 0) counting = countDown(form, button, error.retryAfter);
    } finally {
      busy = false;
      button.removeAttribute('aria-busy');
    }
  });
}

/** Reports whether what is required is there, and says where it is not. */
function complete(form) {
  const wrong = [...form.elements].filter((input) => input.willValidate && !input.hidden && !input.validity.valid);
  for (const input of wrong) {
    const label = input.labels?.[0]?.textContent ?? 'This';
    mark(input, input.validity.valueMissing ? `${label} is needed.` : input.validationMessage);
  }
  wrong[0]?.focus();
  return wrong.length === 0;
}

function clear(form) {
  for (const fault of form.querySelectorAll('.fault')) fault.remove();
  for (const input of form.querySelectorAll('[aria-invalid]')) {
    input.removeAttribute('aria-invalid');
    input.removeAttribute('aria-errormessage');
  }
  say(form, '');
}

/** Says what is wrong, and the rest to screen readers: the button shows it. */
function say(form, text, rest = '') {
  const box = form.querySelector('.alert');
  box.replaceChildren(text, h('span', { class: 'visually-hidden' }, rest));
  box.hidden = text === '';
}

function mark(input, text) {
  const id = newID();
  input.setAttribute('aria-invalid', 'true');
  input.setAttribute('aria-errormessage', id);
  input.closest('.field').append(h('p', { class: 'fault', id, role: 'alert' }, text));
}

function show(form, error, words) {
  const rest = [];
  let first;
  for (const fault of error.faults ?? []) {
    const input = form.elements[fault.location?.replace(/^body\./, '')];
    if (!(input instanceof HTMLElement) || words) { rest.push(fault); continue; }
    mark(input, error.faults.length === 1 ? error.message : fault.message);
    first ??= input;
  }
  first?.focus();
  if (words || rest.length || !first) {
    const own = 'The page met a fault of its own. Load it again.';
    say(form, words || (error instanceof ApiError ? error.reason : own), error.retryAfter ? error.message.slice(error.reason.length) : '');
  }
}

/** Keeps the button from being used for some seconds, and says how many. */
function countDown(form, button, seconds) {
  const text = button.dataset.text ??= button.textContent;
  const end = Date.now() + seconds * 1000;
  button.setAttribute('aria-disabled', 'true');
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left > 0) {
      button.textContent = `Try again in ${left} s`;
      return;
    }
    clearInterval(timer);
    button.textContent = text;
    button.removeAttribute('aria-disabled');
    say(form, '');
  };
  const timer = setInterval(tick, 250);
  tick();
  return timer;
}
