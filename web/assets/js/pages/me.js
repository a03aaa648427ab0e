// One's own account: password, sessions and logins.

import { del, get, post } from '../api.js';
import { h } from '../dom.js';
import { confirm, toast } from '../feedback.js';
import { alertBox, field, onSubmit, submitButton } from '../form.js';
import { ownLogins } from '../logins.js';
import { fillWith } from '../states.js';
import { table } from '../table.js';
import { time, timeSwitch } from '../time.js';

export function render(container, context) {
  const sessions = h('div'), logins = h('div');
  const pages = ownLogins(15, context);
  container.append(
    h('header', { class: 'page-head' },
      h('div', {}, h('h1', {}, 'My account'),
        h('p', { class: 'muted' }, h('span', { translate: 'no' }, context.me.username), ` · ${context.me.role === 'admin' ? 'administrator' : 'user'} · id ${context.me.userId}`)),
      timeSwitch()),
    h('div', { class: 'grid uneven' }, passwordCard(context.me, () => listSessions(true)), h('section', { class: 'card flush' },
      h('header', {}, h('h2', {}, 'Sessions'),
        h('button', { type: 'button', class: 'button small danger', on: { click: endAll } }, 'Sign out everywhere')),
      sessions)),
    h('section', { class: 'card flush' }, h('header', {}, h('h2', {}, 'My last logins')), logins));
  const listSessions = (keep) => fillWith(sessions, () => sessionTable(context, () => listSessions(true)), { ...context, keep });
  listSessions(false);
  fillWith(logins, async () => { await pages.turn(0); return pages.box; }, context);
}

/** The form that changes the password; `changed` runs afterwards. */
function passwordCard(me, changed) {
  const form = h('form', { class: 'stack', method: 'post' },
    alertBox(),
    h('input', { class: 'visually-hidden', name: 'username', value: me.username, autocomplete: 'username', tabindex: '-1', 'aria-hidden': 'true', readonly: true }),
    field({ label: 'Current password', name: 'oldPassword', type: 'password', autocomplete: 'current-password', required: true }),
    field({
      label: 'New password', name: 'newPassword', type: 'password', autocomplete: 'new-password', required: true,
      hint: '12 to 256 characters of any kind. Three unrelated words do well.',
    }),
    h('div', { class: 'row' }, submitButton('Change password'), h('span', { class: 'small muted' }, 'This signs out all other sessions.')));
  onSubmit(form, async ({ oldPassword, newPassword }, key) => {
    await post('/api/password', { oldPassword, newPassword }, { key });
    form.reset();
    // The change has ended this session too.
    try {
      await post('/api/login?cookie=true', { username: me.username, password: newPassword }, { stay: true });
    } catch {
      location.assign('/?next=/me');
      return;
    }
    toast('The password is changed, and all other sessions are signed out');
    changed();
  }, (error) => (error.status === 403 ? 'The current password is wrong.' : ''));
  return h('section', { class: 'card' }, h('header', {}, h('h2', {}, 'Password')), form);
}

async function sessionTable({ signal }, changed) {
  const { sessions } = await get('/api/sessions', { signal });
  const end = async ({ id, current }) => {
    try {
      await del(`/api/sessions/${id}`);
    } catch (error) {
      if (error.status !== 404) { toast(error.message); return; } // it has ended meanwhile
    }
    if (current) { location.replace('/'); return; }
    toast('The session is signed out');
    changed();
  };
  return table('My sessions', [
    { name: 'Signed in', head: true, cell: (s) => h('span', { class: 'row' }, time(s.issuedAt), s.current && h('span', { class: 'badge accent' }, 'this one')) },
    { name: 'Last seen', cell: (s) => time(s.lastSeenAt) },
    { name: 'Ends', wide: true, cell: (s) => time(s.expiresAt) },
    { name: 'Action', hideName: true, number: true, cell: (s) => h('button', {
      type: 'button', class: 'button small', 'data-action': `end ${s.id}`, on: { click: () => end(s) },
    }, 'Sign out', s.current ? h('span', { class: 'visually-hidden' }, ' this session') : h('span', { class: 'visually-hidden' }, ` the session of ${new Date(s.issuedAt).toLocaleString()}`)) },
  ], sessions);
}

async function endAll() {
  const sure = await confirm({
    title: 'Sign out everywhere?', text: 'All your sessions end, this one too, on every device.', action: 'Sign out everywhere', danger: true,
  });
  if (!sure) return;
  try {
    await post('/api/logout?all=true');
    location.replace('/');
  } catch (error) {
    if (error.status !== 401) toast(error.message);
  }
}
