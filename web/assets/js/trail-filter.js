// What the trail is filtered by: a form, and the address.

import { withParams } from './api.js';
import { eventTypes } from './audit.js';
import { h } from './dom.js';
import { field } from './field.js';

const names = ['user', 'userId', 'eventType', 'operation', 'table', 'source', 'ip', 'from', 'to', 'reads'];
const often = ['user', 'eventType', 'ip'];

/** Returns the parameters of the API that an address asks for. */
export const readFilter = (query) => Object.fromEntries(names.filter((name) => query.get(name)).map((name) => [name, query.get(name)]));

/** Makes the form; `apply` is given the new parameters. */
export function filterForm(params, apply) {
  const choices = (known, value) => [['', 'Any'], ...known, ...(value && !known.some(([key]) => key === value) ? [[value, value]] : [])];
  const fields = {
    user: field({ label: 'User', name: 'user', type: 'search', autocomplete: 'off', autocapitalize: 'none', maxlength: '255', placeholder: 'the whole name', value: params.user }),
    eventType: field({ label: 'Event', name: 'eventType', choices: choices(Object.entries(eventTypes).map(([key, [text]]) => [key, text]), params.eventType), value: params.eventType ?? '' }),
    from: field({ label: 'From', name: 'from', type: 'datetime-local', step: '1', value: local(params.from) }),
    to: field({ label: 'To', name: 'to', type: 'datetime-local', step: '1', value: local(params.to) }),
    operation: field({ label: 'Operation', name: 'operation', choices: choices(['INSERT', 'UPDATE', 'DELETE', 'ALTER', 'CREATE', 'DROP', 'RENAME', 'TRUNCATE'].map((key) => [key, key]), params.operation), value: params.operation ?? '' }),
    table: field({ label: 'Table', name: 'table', choices: choices([['users', 'users'], ['outbox', 'outbox']], params.table), value: params.table ?? '' }),
    source: field({ label: 'Source', name: 'source', choices: choices([['event', 'Events: why'], ['change', 'Changes: what']], params.source), value: params.source ?? '' }),
    ip: field({ label: 'Address', name: 'ip', type: 'search', autocomplete: 'off', maxlength: '45', placeholder: '203.0.113.7', value: params.ip }),
    userId: field({ label: 'User id', name: 'userId', type: 'number', min: '1', value: params.userId }),
  };
  const reads = h('input', { type: 'checkbox', name: 'reads', value: 'true', checked: params.reads === 'true' });
  const rest = Object.keys(fields).filter((name) => !often.includes(name));
  const more = h('details', { class: 'more' }, h('summary', {}, 'More filters'), h('div', { class: 'filters' },
    rest.map((name) => fields[name]), h('label', { class: 'check' }, reads, 'Who has read the trail')));
  more.open = rest.some((name) => params[name]) || params.reads === 'true';
  const form = h('form', { class: 'card trail-filter', role: 'search', 'aria-label': 'Filter the trail' },
    h('div', { class: 'filters often' }, often.map((name) => fields[name]),
      h('div', { class: 'row' },
        h('button', { type: 'submit', class: 'button primary' }, 'Apply'),
        h('button', { type: 'button', class: 'button quiet', on: { click: clear } }, 'Clear'))),
    more);
  form.noValidate = true;
  let applied = JSON.stringify(values(form));
  const applyValues = () => {
    const chosen = values(form);
    applied = JSON.stringify(chosen);
    apply(chosen);
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    applyValues();
  });
  // The cross of a field empties it. Enter sends this event too, after it has
  // sent the form.
  form.addEventListener('search', (event) => {
    if (event.target.value === '' && JSON.stringify(values(form)) !== applied) applyValues();
  });

  function clear() {
    for (const input of form.elements) {
      if (input.type === 'checkbox') input.checked = false;
      else if (input.name) input.value = '';
    }
    applyValues();
  }
  return form;
}

function values(form) {
  const set = {};
  for (const [name, value] of new FormData(form)) {
    if (String(value).trim() !== '') set[name] = String(value).trim();
  }
  for (const name of ['from', 'to']) {
    if (set[name]) set[name] = new Date(set[name]).toISOString();
  }
  return set;
}

/** Returns a time as inputs take it, in the viewer's zone. */
function local(at) {
  const date = new Date(at ?? '');
  if (Number.isNaN(date.getTime())) return '';
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** Makes the menu that exports what a filter chooses. */
export function exportMenu(params) {
  const link = (format, text, note) => h('a', { href: withParams('/api/audit/export', { ...params, format }), download: true },
    text, h('span', { class: 'small muted' }, note));
  const menu = h('details', { class: 'menu-button' }, h('summary', { class: 'button' }, 'Export'),
    h('div', { class: 'menu-list' },
      link('csv', 'CSV', 'for spreadsheets'), link('jsonl', 'JSON Lines', 'for programs'), link('ocsf', 'OCSF', 'for a SIEM')));
  menu.addEventListener('focusout', (event) => { if (!menu.contains(event.relatedTarget)) menu.open = false; });
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !menu.open) return;
    menu.open = false;
    menu.firstChild.focus();
  });
  menu.addEventListener('click', (event) => { if (event.target.closest('a')) menu.open = false; });
  return menu;
}
