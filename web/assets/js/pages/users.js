// The accounts: find, make, change, delete.

import { get, post } from '../api.js';
import { h } from '../dom.js';
import { openDialog, toast } from '../feedback.js';
import { alertBox, field, onSubmit, submitButton } from '../form.js';
import { empty, fillWith } from '../states.js';
import { paged, table } from '../table.js';
import { time, timeSwitch } from '../time.js';
import { manage, roles } from '../user.js';

export function render(container, context) {
  const name = context.query.get('user') ?? '';
  const load = async (cursor) => {
    const { users, next } = await get('/api/users', { params: { limit: 50, cursor, user: search.value.trim() }, signal: context.signal });
    return { rows: users, next };
  };
  const again = () => fillWith(list, async () => { await pages.again(); return pages.box; }, { ...context, keep: true });
  const pages = paged(load, (rows) => (rows.length ? userTable(rows, again) : nobody()), ['Previous', 'Next']);

  const filter = h('form', { class: 'filters', role: 'search' },
    field({ label: 'Username', name: 'user', type: 'search', autocomplete: 'off', autocapitalize: 'none', value: name, placeholder: 'the whole name' }),
    h('button', { type: 'submit', class: 'button' }, 'Find'));
  const search = filter.elements.user;
  const find = () => {
    context.setQuery({ user: search.value.trim() });
    fillWith(list, async () => { await pages.turn(0); return pages.box; }, context);
  };
  filter.addEventListener('submit', (event) => { event.preventDefault(); find(); });
  // The cross of the field empties it.
  search.addEventListener('search', () => { if (search.value === '') find(); });

  const nobody = () => (search.value.trim()
    ? empty('Nobody has this name', h('p', { class: 'muted' }, 'Names are looked for whole, without regard to case and accents.'))
    : empty('No users yet', h('p', { class: 'muted' }, 'Make the first one.')));
  const list = h('section', { class: 'card flush' });
  container.append(
    h('header', { class: 'page-head' }, h('h1', {}, 'Users'), h('div', { class: 'row' }, timeSwitch(),
      h('button', { type: 'button', class: 'button primary', on: { click: () => create(again) } }, 'New user'))),
    filter, list);
  fillWith(list, async () => { await pages.turn(0); return pages.box; }, { ...context, lines: 8 });
}

function userTable(users, again) {
  return table('Users', [
    { name: 'Username', head: true, cell: (user) => h('span', { class: 'break', translate: 'no' }, user.username) },
    { name: 'Role', cell: ({ role }) => h('span', { class: role === 'admin' ? 'badge accent' : 'badge' }, roles[role]) },
    { name: 'State', cell: (user) => h('span', { class: 'row' }, states(user)) },
    { name: 'Last login', cell: ({ lastLoginAt }) => (lastLoginAt ? time(lastLoginAt) : h('span', { class: 'muted' }, 'never')) },
    { name: 'Made', wide: true, cell: ({ createdAt }) => time(createdAt) },
    { name: 'Id', number: true, wide: true, cell: ({ id }) => h('span', { class: 'muted' }, String(id)) },
    { name: 'Action', hideName: true, number: true, cell: (user) => h('button', {
      type: 'button', class: 'button small', 'data-action': `manage ${user.id}`, on: { click: () => manage(user, again) },
    }, 'Manage', h('span', { class: 'visually-hidden' }, ` ${user.username}`)) },
  ], users);
}

function states({ status, locked, mustChangePassword }) {
  const badges = [];
  if (status === 'disabled') badges.push(h('span', { class: 'badge bad' }, 'disabled'));
  if (locked) badges.push(h('span', { class: 'badge warn' }, 'locked'));
  if (mustChangePassword) badges.push(h('span', { class: 'badge' }, 'must change password'));
  if (status === 'active' && !locked) badges.unshift(h('span', { class: 'badge good' }, 'active'));
  return badges;
}

function create(again) {
  const form = h('form', { class: 'stack', method: 'post' },
    alertBox(),
    field({ label: 'Username', name: 'username', autocomplete: 'off', autocapitalize: 'none', maxlength: '255', required: true, autofocus: true }),
    field({
      label: 'Password', name: 'password', type: 'password', autocomplete: 'new-password', required: true,
      hint: '12 to 256 characters of any kind. Three unrelated words do well.',
    }),
    field({ label: 'Role', name: 'role', choices: Object.entries(roles), value: 'user', hint: 'Administrators see the whole trail and manage users.' }),
    h('footer', { class: 'row' }, submitButton('Make the user')));
  const dialog = openDialog('New user', form);
  onSubmit(form, async ({ username, password, role }, key) => {
    await post('/api/users', { username, password, role }, { key });
    dialog.close();
    toast(`${username} can sign in`);
    await again();
  });
}
