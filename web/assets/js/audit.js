// What the audit log says, in words: events, changes and findings. What is
// written here comes from rows that anybody may have written by hand, so that
// every member can be missing or of any type.

import { device } from './device.js';
import { h } from './dom.js';
import { absolute } from './time.js';

/** The types of events: words, and how they are shown. */
export const eventTypes = {
  LOGIN_SUCCESS: ['Signed in', 'good'],
  LOGIN_FAILURE: ['Login refused', 'bad'],
  LOGOUT: ['Signed out', ''],
  SESSION_REVOKED: ['Sessions ended', ''],
  SESSION_EXPIRED: ['Session expired', ''],
  SESSION_FORGED: ['Forged session', 'bad'],
  USER_CREATED: ['User created', 'accent'],
  USER_DISABLED: ['User disabled', 'warn'],
  USER_ENABLED: ['User enabled', 'accent'],
  USER_DELETED: ['User deleted', 'warn'],
  USER_LOCKED: ['Locked out', 'warn'],
  USER_UNLOCKED: ['Unlocked', 'accent'],
  PASSWORD_CHANGED: ['Password changed', 'accent'],
  PASSWORD_RESET: ['Password reset', 'accent'],
  ROLE_CHANGED: ['Role changed', 'accent'],
  USERNAME_CHANGED: ['Renamed', 'accent'],
  AUDIT_READ: ['Trail read', ''],
  DEAD_LETTER_WAIVED: ['Dead letter waived', 'warn'],
  DEAD_LETTER_RETRY: ['Dead letter retried', ''],
  PROJECTION_REBUILD: ['Rebuild asked for', ''],
  PROJECTION_ROLLBACK: ['Rollback asked for', 'warn'],
  SCHEMA_CHANGE_ANNOUNCED: ['Schema change announced', 'warn'],
  SCHEMA_CHANGE_DONE: ['Schema change done', 'warn'],
};

/** Returns what a name in capitals or with dashes is called. */
export const words = (name) => say(name).replaceAll(/[_-]/g, ' ').toLowerCase();

/** Makes the badge of a type of event. */
export function eventBadge(type) {
  const [name, tone] = eventTypes[type] ?? [words(type), ''];
  return h('span', { class: `badge ${tone}`, title: type }, name);
}

const longest = 160;

/** Returns any JSON value as a short text. */
export function say(value) {
  if (value == null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

const details = {
  LOGIN_SUCCESS: ({ rehashed }) => rehashed && 'password hash replaced',
  LOGIN_FAILURE: ({ reason, count }) => [words(reason), count > 1 && ` × ${say(count)}`],
  LOGOUT: sessions,
  SESSION_REVOKED: sessions,
  SESSION_EXPIRED: ({ reason }) => ({ idle: 'not used for too long', absolute: 'too old' })[reason] ?? words(reason),
  SESSION_FORGED: ({ sessionId }) => say(sessionId),
  USER_CREATED: ({ role }) => role && `role ${say(role)}`,
  USER_LOCKED: ({ failures, until, network }) => [
    `${say(failures)} failures`, isTime(until) && `, until ${absolute(until)}`, network && `, from ${say(network)}`],
  ROLE_CHANGED: step,
  USERNAME_CHANGED: step,
  USER_DISABLED: sessions,
  PASSWORD_CHANGED: sessions,
  PASSWORD_RESET: sessions,
  AUDIT_READ: ({ route, filter }) => [
    h('code', {}, say(route)), Object.entries(filter ?? {}).map(([name, value]) => ` ${name}=${say(value)}`)],
  DEAD_LETTER_WAIVED: ({ topic, partition, offset, reason }) => `${say(topic)}/${say(partition)}/${say(offset)}: ${say(reason)}`,
  DEAD_LETTER_RETRY: ({ place }) => say(place),
  PROJECTION_REBUILD: ({ projection, verify }) => [say(projection), verify && ', to verify it'],
  PROJECTION_ROLLBACK: ({ projection }) => say(projection),
  SCHEMA_CHANGE_ANNOUNCED: ({ migration, direction }) => `${say(migration)} ${say(direction)}`,
  SCHEMA_CHANGE_DONE: ({ migration, direction }) => `${say(migration)} ${say(direction)}`,
};

function sessions({ sessionIds }) {
  const count = Array.isArray(sessionIds) ? sessionIds.length : 0;
  return count > 0 && `${count} ${count === 1 ? 'session' : 'sessions'} ended`;
}

function step({ from, to }) {
  return [h('del', {}, say(from)), ' → ', h('ins', {}, say(to))];
}

/** Returns what an event's payload adds to its type, or nothing. */
export function eventDetail({ eventType, payload }) {
  const detail = details[eventType]?.(payload ?? {});
  return detail && h('span', { class: 'detail break' }, detail);
}

/** Makes a name that keeps its direction of writing to itself. */
export const name = (text) => h('bdi', { class: 'break', translate: 'no' }, text);

/** Returns who acted, if that is somebody else than who the event is about. */
export function actor({ metadata, userId }, nameOf) {
  const said = metadata?.actor;
  if (typeof said !== 'string' || said === 'anonymous' || said === `user:${userId}`) return null;
  const id = /^user:(\d+)$/.exec(said)?.[1];
  if (!id) return { cli: 'the command line', system: 'the service' }[said] ?? say(said);
  return nameOf(id) ?? `user ${id}`;
}

/** Shows where a transaction came from. */
export function origin(entries) {
  const event = entries.find(({ metadata }) => metadata?.ip || metadata?.userAgent);
  const ip = entries.find((entry) => entry.ip)?.ip;
  const agent = event?.metadata.userAgent;
  return [
    ip && h('a', { class: 'mono quiet', href: `/trail?ip=${encodeURIComponent(ip)}` }, ip),
    typeof agent === 'string' && h('div', { class: 'small muted break', title: agent }, device(agent)),
  ];
}

// Columns that tell nothing to people: they are folded away.
const internal = new Set([
  'event_seq', 'event_hash', 'token_hash', 'token_expires_at', 'updated_at', 'password_seq', 'key_id', 'mac', 'prev_hash', 'hash', 'seq',
]);

/** Returns `{name, old, new, internal}` of each column that differs; of a row that was not there, undefined. */
export function differences({ old, new: now }) {
  const names = new Set([...Object.keys(old ?? {}), ...Object.keys(now ?? {})]);
  return [...names].filter((column) => !old || !now || old[column] !== now[column]).map((column) => ({
    name: column, old: old ? old[column] ?? null : undefined, new: now ? now[column] ?? null : undefined, internal: internal.has(column),
  }));
}

/** Whether a change is that of a table, not of a row. */
export const isSchemaChange = ({ source, operation }) => source === 'change' && !['INSERT', 'UPDATE', 'DELETE'].includes(operation);

/**
 * Shows what a change did to its row: only what differs, old → new. The
 * columns that tell nothing to people are folded away, unless `all` is set.
 */
export function diff(entry, { all = false } = {}) {
  if (isSchemaChange(entry)) return h('code', { class: 'statement break' }, say(entry.new?.query));
  const changed = differences(entry).filter((column) => !(column.old == null && column.new == null));
  const shown = changed.filter((column) => all || !column.internal), folded = changed.filter((column) => !shown.includes(column));
  return [
    folded.length > 0 && h('details', { class: 'folded' },
      h('summary', { title: 'Columns that the service keeps for itself' }, '…', h('span', { class: 'visually-hidden' }, ` ${folded.length} internal columns`)), list(folded)),
    shown.length > 0 && list(shown),
  ];
}

function list(columns) {
  return h('dl', { class: 'diff' }, columns.map(({ name: column, old, new: now }) => [
    h('dt', {}, column),
    h('dd', {}, old !== undefined && h('del', {}, cell(old, column)), old !== undefined && now !== undefined && ' → ', now !== undefined && h('ins', {}, cell(now, column))),
  ]));
}

/** Shows the value of a cell: hashes shortened, times in the viewer's zone. */
function cell(value, column) {
  if (value == null) return h('span', { class: 'null' }, 'null');
  const text = String(value);
  if (/^[0-9a-f]{32,}$/.test(text)) return h('span', { title: text }, `${text.slice(0, 8)}…`);
  const moment = column.endsWith('_at') && /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$/.test(text) && `${text.replace(' ', 'T')}Z`;
  if (moment && isTime(moment)) return h('span', { class: 'nowrap', title: `${text} UTC` }, absolute(moment));
  return text.length > longest ? h('span', { title: text.slice(0, 4000) }, say(text)) : text;
}

const isTime = (text) => typeof text === 'string' && !Number.isNaN(Date.parse(text));

/** Compares two commitTs: decimal numbers that are too great for a number. */
export const compareTs = (a, b) => a.length - b.length || (a < b ? -1 : Number(a > b));
