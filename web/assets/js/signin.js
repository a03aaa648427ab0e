// The sign-in, and the change of a password that an administrator has set,
// without which the session is good for nothing else.

import { get, post } from './api.js';
import { onSubmit } from './form.js';
import { enhance } from './password.js';
import { destination } from './routes.js';

const signIn = document.getElementById('signin'), renew = document.getElementById('renew');
const query = new URLSearchParams(location.search);
// What was typed just now need not be typed again. It never leaves this page.
let temporary = '';

// A link on another site led here, without the session's cookie. A request of
// this page has it, if there is a session.
if (query.has('again')) {
  query.delete('again');
  location.replace(query.size ? `/?${query}` : '/');
}

for (const input of document.querySelectorAll('input[type="password"]')) enhance(input);
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

const go = () => location.replace(destination());

async function enter(username, password) {
  const me = await post('/api/login?cookie=true', { username, password }, { stay: true });
  if (me.passwordChangeRequired) askForNew(me.username, password);
  else go();
}

onSubmit(signIn, ({ username, password }) => enter(username, password), (error) => {
  if (error.status !== 401) return '';
  signIn.elements.password.select();
  return 'The username or the password is wrong, or this account cannot sign in at the moment.';
});

onSubmit(renew, async ({ username, oldPassword, newPassword }, key) => {
  await post('/api/password', { oldPassword: temporary || oldPassword, newPassword }, { key, stay: true });
  temporary = '';
  try {
    await enter(username, newPassword); // the change has ended the session
  } catch {
    show(signIn);
    signIn.elements.username.value = username;
    signIn.elements.password.focus();
    const box = signIn.querySelector('.alert');
    box.textContent = 'The password is changed. Sign in with the new one.';
    box.hidden = false;
  }
}, (error) => {
  if (error.status === 403) return 'The temporary password is wrong.';
  if (error.status === 401) return 'The session has ended. Sign in again.';
  return '';
});

document.getElementById('leave').addEventListener('click', async () => {
  try {
    await post('/api/logout', undefined, { stay: true });
  } finally {
    location.replace('/');
  }
});

function show(form) {
  signIn.hidden = form !== signIn;
  renew.hidden = form !== renew;
  const title = form === renew ? 'Choose a new password' : 'Sign in to Helfy';
  document.getElementById('title').textContent = title;
  document.title = `${title} · Helfy`;
  document.getElementById('lead').textContent = form === renew
    ? 'An administrator has set your password. Choose one that only you know.'
    : 'Every login leaves a trail.';
}

function askForNew(username, password) {
  const { username: name, oldPassword, newPassword } = renew.elements;
  temporary = password;
  name.value = username;
  oldPassword.value = '';
  oldPassword.required = temporary === '';
  oldPassword.closest('.field').hidden = temporary !== '';
  show(renew);
  (temporary ? newPassword : oldPassword).focus();
}

if (query.get('step') === 'password') {
  get('/api/me', { stay: true }).then((me) => {
    if (me.passwordChangeRequired) askForNew(me.username, '');
    else go();
  }, () => show(signIn));
}
