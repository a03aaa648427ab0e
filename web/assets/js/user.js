// The dialog that manages one user.

import { del, patch, post, withParams } from './api.js';
import { h } from './dom.js';
import { confirm, openDialog, toast } from './feedback.js';
import { alertBox, field, onSubmit, submitButton } from './form.js';
import { time } from './time.js';

/** What roles are called. */
export const roles = { user: 'user', admin: 'administrator' };

/** Opens the dialog of a user of GET /api/users. `changed` runs after a change. */
export function manage(user, changed) {
  const path = `/api/users/${user.id}`;
  const done = (text) => {
    dialog.close();
    toast(text);
    changed();
  };
  const change = (body, text) => async (values, key) => {
    await patch(path, typeof body === 'function' ? body(values) : body, { key });
    done(text);
  };
  const dialog = openDialog(user.username,
    h('dl', { class: 'facts small' },
      h('dt', {}, 'Id'), h('dd', {}, String(user.id)),
      h('dt', {}, 'Made'), h('dd', {}, time(user.createdAt)),
      h('dt', {}, 'Last login'), h('dd', {}, user.lastLoginAt ? time(user.lastLoginAt) : 'never'),
      h('dt', {}, 'Trail'), h('dd', {}, h('a', { href: withParams('/trail', { userId: user.id }), on: { click: () => dialog.close() } }, 'What happened to this user'))),
    user.locked && section('Locked', change({ locked: false }, `${user.username} is unlocked`),
      h('p', { class: 'small muted' }, 'Too many failed logins keep this user out for some time.'), h('div', { class: 'row' }, submitButton('Unlock', ''))),
    section('Role', change(({ role }) => ({ role }), `${user.username} has a new role`),
      h('div', { class: 'filters' }, field({ label: 'Role', name: 'role', choices: Object.entries(roles), value: user.role }), submitButton('Change', ''))),
    section('Name', change(({ username }) => ({ username }), 'The user is renamed'),
      h('div', { class: 'filters' },
        field({ label: 'Username', name: 'username', value: user.username, required: true, maxlength: '255', autocomplete: 'off' }), submitButton('Rename', ''))),
    section('Password', async ({ newPassword }, key) => {
      await post(`${path}/password`, { newPassword }, { key });
      done(`${user.username} must change the password at the next login`);
    }, field({
      label: 'Temporary password', name: 'newPassword', type: 'password', autocomplete: 'new-password', required: true,
      hint: 'Ends all sessions of this user, who must choose another password at the next login.',
    }), h('div', { class: 'row' }, submitButton('Reset', ''))),
    section('Access', async (_, key) => {
      const status = user.status === 'active' ? 'disabled' : 'active';
      await patch(path, { status }, { key });
      done(`${user.username} is ${status}`);
    }, h('div', { class: 'row' },
      submitButton(user.status === 'active' ? 'Disable' : 'Enable', ''),
      h('span', { class: 'small muted' }, user.status === 'active' ? 'Ends all sessions and refuses logins.' : 'Lets this user sign in again.'))),
    section('Delete', async (_, key) => {
      const sure = await confirm({
        title: `Delete ${user.username}?`, text: 'The account is gone for good. What it did stays in the trail.', action: 'Delete', danger: true,
      });
      if (!sure) return;
      await del(path, { key });
      done(`${user.username} is deleted`);
    }, h('div', { class: 'row' }, submitButton('Delete', 'danger'), h('span', { class: 'small muted' }, 'Its events stay in the trail.'))));
}

/** A part of the dialog: a form that does one thing. */
function section(title, send, ...content) {
  const form = h('form', { class: 'stack', method: 'post', 'aria-label': title }, h('h3', {}, title), alertBox(), content);
  onSubmit(form, send);
  return h('section', {}, form);
}
