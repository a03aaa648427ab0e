// The frame around the pages: who is signed in, the menu, the sign-out.

import { ApiError, get, post } from './api.js';
import { toast, watchConnection } from './feedback.js';
import { startRouter } from './router.js';
import { find } from './routes.js';
import { failed } from './states.js';

const main = document.getElementById('main'), side = document.getElementById('side'), menu = document.getElementById('menu');

// A page that the browser has kept may belong to a session that has ended.
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

// The menu of a phone lies over the page, in which the focus would not be seen.
function openMenu(open) {
  side.classList.toggle('open', open);
  menu.setAttribute('aria-expanded', String(open));
  main.inert = open;
}
menu.addEventListener('click', () => openMenu(!side.classList.contains('open')));
side.addEventListener('click', (event) => { if (event.target.closest('a')) openMenu(false); });
addEventListener('popstate', () => openMenu(false));
matchMedia('(max-width: 860px)').addEventListener('change', () => openMenu(false));
addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !side.classList.contains('open')) return;
  openMenu(false);
  menu.focus();
});

let router;

document.getElementById('signout').addEventListener('click', async () => {
  router?.leave(); // it must not ask on without a session
  try {
    await post('/api/logout', undefined, { stay: true });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) {
      toast('You are still signed in: Helfy did not answer. Try again.');
      router?.show();
      return;
    }
  }
  location.replace('/');
});

async function start() {
  let me;
  try {
    me = await get('/api/me');
  } catch (error) {
    if (error.status !== 401) main.replaceChildren(failed(error, start));
    return;
  }
  if (me.passwordChangeRequired) {
    location.replace(`/?step=password&next=${encodeURIComponent(location.pathname + location.search)}`);
    return;
  }
  document.getElementById('who').textContent = me.username;
  for (const link of document.querySelectorAll('[data-admin]')) link.hidden = me.role !== 'admin' || !find(link.pathname);
  router = startRouter(main, me);
}

watchConnection();
start();
