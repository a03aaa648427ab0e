// Shows the page of the address and follows links without loading documents.

import { ApiError } from './api.js';
import { h } from './dom.js';
import { find } from './routes.js';
import { empty, failed, skeleton } from './states.js';

/**
 * Starts showing pages in container. A page's `render(container, context)` may
 * be asynchronous and may return a function that cleans up when it is left.
 * Context has
 *  - `me`: the answer of GET /api/me;
 *  - `params` of the path and `query`, the URLSearchParams of the address;
 *  - `signal`, aborted when the page is left;
 *  - `navigate(address)` to another page;
 *  - `setQuery(params)`, which writes what a filter is set to into the address
 *    and leaves the page as it is. Going back renders the page again.
 *
 * Returns `leave`, which ends what the page is doing, and `show`, which shows
 * the page of the address anew.
 */
export function startRouter(container, me) {
  let leaving = () => {}, shown = '';

  async function show({ focus = true } = {}) {
    leaving();
    shown = location.pathname + location.search;
    const left = new AbortController();
    let cleanup;
    leaving = () => { left.abort(); cleanup?.(); cleanup = undefined; };

    const found = find(location.pathname);
    mark(location.pathname);
    document.title = `${found?.route.title ?? 'Not found'} · Helfy`;
    const box = h('div', { class: 'page' });
    container.replaceChildren(box);
    if (!found) return box.append(h('h1', {}, 'Not found'), notFound());
    if (found.route.admin && me.role !== 'admin') return box.append(forbidden(found.route));

    box.append(h('h1', {}, found.route.title), skeleton(6));
    const context = {
      me, params: found.params, query: new URLSearchParams(location.search), signal: left.signal, navigate,
      setQuery(params) {
        const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value != null && value !== ''));
        const address = location.pathname + (query.size ? `?${query}` : '');
        if (address !== shown) history.pushState(null, '', address);
        shown = address;
      },
    };
    try {
      const page = await load(found.route);
      if (left.signal.aborted) return undefined;
      box.replaceChildren();
      const clean = await page.render(box, context);
      if (left.signal.aborted) clean?.();
      else cleanup = clean;
    } catch (error) {
      if (left.signal.aborted) return undefined;
      if (!(error instanceof ApiError)) console.error(error);
      box.replaceChildren(h('h1', {}, found.route.title), failed(error, () => show()));
    }
    if (focus) focusTitle(box);
    return undefined;
  }

  function navigate(address) {
    if (address !== location.pathname + location.search) history.pushState(null, '', address);
    scrollTo(0, 0);
    show();
  }

  document.addEventListener('click', (event) => {
    const link = event.target.closest?.('a[href]');
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute('download')) return;
    const target = new URL(link.href);
    if (target.origin !== location.origin || !find(target.pathname)) return;
    event.preventDefault();
    navigate(target.pathname + target.search);
  });
  // Also sent for a step within the page, as to #main.
  addEventListener('popstate', () => { if (location.pathname + location.search !== shown) show(); });
  show({ focus: false });
  return { leave: () => leaving(), show };
}

/** Loads the module of a page. A browser does not tell why it could not. */
async function load(route) {
  try {
    return await route.load();
  } catch (error) {
    if (error instanceof TypeError) throw new ApiError(0);
    throw error;
  }
}

/** Marks the page's link among those of the navigation. */
function mark(path) {
  for (const link of document.querySelectorAll('nav a')) {
    const current = link.pathname === path || (link.pathname === '/trail' && path.startsWith('/transactions/'));
    if (current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

/** Lets screen readers and the Tab key begin at the new page's title. */
function focusTitle(box) {
  const title = box.querySelector('h1');
  if (!title || box.contains(document.activeElement)) return;
  title.tabIndex = -1;
  title.focus({ preventScroll: true });
}

const notFound = () => empty('There is no such page', h('a', { class: 'button', href: '/dashboard' }, 'Back to Now'));

function forbidden(route) {
  return h('div', { class: 'page' }, h('h1', {}, route.title), empty('This page is for administrators',
    h('p', { class: 'muted' }, 'Your account has the role user. Ask an administrator for the role admin.'),
    h('a', { class: 'button', href: '/dashboard' }, 'Back to Now')));
}
