// The pages, and where links may lead. ports/http/pages.go has the same paths.

/**
 * Each page is a module that exports `render(container, context)`: see
 * router.js. `admin` pages are for the role admin.
 */
export const routes = [
  { path: '/dashboard', title: 'Now', load: () => import('./pages/dashboard.js') },
  { path: '/trail', title: 'Trail', admin: true, load: () => (new URLSearchParams(location.search).has('findings') ? import('./pages/findings.js') : import('./pages/trail.js')) },
  { path: '/transactions/{commitTs}', title: 'Transaction', admin: true, load: () => import('./pages/transaction.js') },
  { path: '/patterns', title: 'Patterns', admin: true, load: () => import('./pages/patterns.js') },
  { path: '/users', title: 'Users', admin: true, load: () => import('./pages/users.js') },
  { path: '/projections', title: 'Projections', admin: true, load: () => import('./pages/projections.js') },
  { path: '/me', title: 'My account', load: () => import('./pages/me.js') },
];

/**
 * Returns `{route, params}` of a path, or null. A name in braces stands for
 * one segment.
 */
export function find(path) {
  for (const route of routes) {
    const wanted = route.path.split('/'), given = path.split('/');
    const params = {};
    const fits = wanted.length === given.length && wanted.every((part, i) => {
      if (!part.startsWith('{')) return part === given[i];
      params[part.slice(1, -1)] = decode(given[i]);
      return given[i] !== '';
    });
    if (fits) return { route, params };
  }
  return null;
}

function decode(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Returns the sign-in that leads back here. */
export const signInAddress = () => `/?next=${encodeURIComponent(location.pathname + location.search)}`;

/**
 * Returns where to go after the sign-in: the page that was asked for, if it is
 * one of ours, whatever somebody has put into the address.
 */
export function destination() {
  const next = new URLSearchParams(location.search).get('next');
  try {
    const target = new URL(next ?? '', location.origin);
    if (next && target.origin === location.origin && find(target.pathname)) return target.pathname + target.search;
  } catch { /* no address */ }
  return '/dashboard';
}
