// The list of one's own logins, which more than one page shows.

import { get } from './api.js';
import { device } from './device.js';
import { h } from './dom.js';
import { copyable, empty, loginCommand } from './states.js';
import { paged, table } from './table.js';
import { time } from './time.js';

const kinds = {
  LOGIN_SUCCESS: ['Signed in', 'good'],
  LOGIN_FAILURE: ['Refused', 'bad'],
  LOGOUT: ['Signed out', ''],
  SESSION_REVOKED: ['Session ended', ''],
  SESSION_EXPIRED: ['Session expired', ''],
  USER_LOCKED: ['Locked', 'warn'],
  USER_UNLOCKED: ['Unlocked', ''],
};

const columns = [
  { name: 'What', head: true, cell: ({ eventType, count }) => {
    const [name, tone] = kinds[eventType] ?? [eventType, ''];
    return h('span', { class: 'row' }, h('span', { class: `badge ${tone}` }, name), count > 1 && `× ${count}`);
  } },
  { name: 'When', cell: ({ at }) => time(at) },
  { name: 'From', cell: ({ ip }) => h('span', { class: 'mono' }, ip ?? '') },
  { name: 'With', cell: ({ userAgent }) => h('span', { class: 'break muted' }, device(userAgent)) },
  { name: 'Why', cell: ({ reason }) => reason?.replaceAll('_', ' ').toLowerCase() ?? '' },
];

/** Returns the pages of the logins of whoever is signed in: see paged. */
export function ownLogins(limit, { signal }) {
  const load = async (cursor) => {
    const { logins, next } = await get('/api/me/logins', { params: { limit, cursor }, signal });
    return { rows: logins, next };
  };
  return paged(load, (rows) => (rows.length
    ? table('My last logins', columns, rows)
    : empty('No logins yet', h('p', { class: 'muted' }, 'A login is listed here as soon as it is in the trail. This makes one:'), copyable(loginCommand()))));
}
