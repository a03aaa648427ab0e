// One transaction: why, what, how it is sealed, and how it came here.

import { ApiError, get } from '../api.js';
import { actor, diff, eventBadge, eventDetail, name, origin, say, words } from '../audit.js';
import { h } from '../dom.js';
import { journey } from '../journey.js';
import { copyable, empty, fillWith } from '../states.js';
import { absolute, time } from '../time.js';

const retryEvery = 1_000, retries = 8, mostCards = 20;

export function render(container, context) {
  const { commitTs } = context.params;
  const box = h('div', { class: 'page' }), when = h('p', { class: 'muted' });
  container.append(
    h('nav', { 'aria-label': 'Back' }, h('a', { href: '/trail' }, '← Trail')),
    h('header', { class: 'page-head' }, h('div', {}, h('h1', {}, 'Transaction ', h('span', { class: 'mono break' }, commitTs)), when)), box);

  fillWith(box, async () => {
    if (!/^\d{1,20}$/.test(commitTs)) return notThere();
    const transaction = await appears(commitTs, box, context.signal);
    if (!transaction) return notThere();
    when.replaceChildren(time(transaction.committedAt, 'relative'), ` · ${new Date(transaction.committedAt).toLocaleString(undefined, { dateStyle: 'full', timeStyle: 'long' })}`);
    return parts(transaction, context);
  }, { ...context, lines: 8 });
}

/**
 * Reads the transaction. One that was committed a moment ago may not be in the
 * log yet, so that its absence is final only after some tries: null.
 */
async function appears(commitTs, box, signal) {
  for (let tries = 1; ; tries++) {
    try {
      return await get(`/api/audit/transactions/${commitTs}`, { signal });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    }
    if (tries === retries) return null;
    if (tries === 1) {
      box.replaceChildren(h('div', { class: 'card' }, h('p', { class: 'row', role: 'status' }, h('span', { class: 'spinner' }),
        'Not in the log yet. The projection may need a moment to catch up; looking again…')));
    }
    await new Promise((resolve) => { setTimeout(resolve, retryEvery); });
    signal.throwIfAborted();
  }
}

const notThere = () => empty('There is no such transaction', h('p', { class: 'muted' }, 'Nothing in the log has this commitTs.'),
  h('div', { class: 'row' }, h('a', { class: 'button', href: '/trail' }, 'To the trail')));

function parts({ commitTs, events, changes, findings = [] }, context) {
  const all = [...events, ...changes];
  const messages = h('div');
  const part = h('div', { class: 'page' },
    findings.length > 0 && h('section', { class: 'stack', 'aria-label': 'Findings' }, findingNotices(findings)),
    h('div', { class: 'grid sides' },
      side('Why', events, eventCard, changes.length > 0 ? 'No event explains this transaction.' : 'Nothing.'),
      side('What', changes, changeCard, 'No row was changed.')),
    h('section', { class: 'card' }, h('header', {}, h('h2', {}, 'How it came here')), journey(all)),
    h('section', { class: 'card' }, h('header', {}, h('h2', {}, 'Kafka messages'), h('span', { class: 'small muted' }, 'byte for byte what TiCDC has sent')), messages));
  fillWith(messages, () => rawMessages(commitTs, context.signal), context);
  return part;
}

function side(title, entries, card, none) {
  return h('section', { class: 'stack' }, h('h2', {}, title, entries.length > 1 && h('span', { class: 'muted' }, ` ${entries.length}`)),
    entries.length === 0 ? h('div', { class: 'card muted' }, none) : [entries.slice(0, mostCards).map(card), rest(entries.slice(mostCards), card)]);
}

/** A button that shows the entries that were too many at once. */
function rest(entries, card) {
  if (entries.length === 0) return null;
  const button = h('button', { type: 'button', class: 'button', on: { click: () => button.replaceWith(...entries.map(card)) } }, `Show ${entries.length} more`);
  return button;
}

function eventCard(event) {
  const by = actor(event, () => null);
  return h('article', { class: 'card stack' },
    h('div', { class: 'row' }, eventBadge(event.eventType), eventDetail(event)),
    facts([
      ['Who', event.username && h('a', { href: `/trail?user=${encodeURIComponent(event.username)}` }, name(event.username))],
      ['By', by && name(by)],
      ['From', origin([event])],
      ['Request', event.metadata?.requestId && h('span', { class: 'mono' }, say(event.metadata.requestId))],
      ['Session', event.metadata?.sessionId && h('span', { class: 'mono' }, say(event.metadata.sessionId))],
      ['Event', h('span', { class: 'mono' }, event.id)],
      ['Kafka', place(event.kafka)],
    ]),
    event.chain && chain(event.chain),
    h('details', {}, h('summary', { class: 'small' }, 'Payload and metadata'), copyable(pretty({ payload: event.payload, metadata: event.metadata }))));
}

const seals = {
  valid: ['good', 'MAC valid', 'A holder of the key has sealed this event as it is.'],
  invalid: ['bad', 'MAC invalid', 'No holder of the key has sealed this event as it is: it was forged or altered.'],
  'unknown-key': ['warn', 'Key unknown', 'The event names a key that this service does not have, so that its MAC cannot be checked.'],
};

/** The place of an event in its chain, and whether it is sealed. */
function chain({ aggregateType, aggregateId, seq, prevHash, hash, keyId, mac }) {
  const [tone, text, meaning] = seals[mac] ?? ['', words(mac), ''];
  const link = (label, value, none) => h('div', { class: 'link-box' }, h('span', { class: 'small muted' }, label),
    value ? h('code', { class: 'break' }, value) : h('span', { class: 'muted' }, none));
  return h('div', { class: 'chain' },
    h('div', { class: 'row spread' },
      h('strong', {}, `Link ${seq} of the chain ${aggregateType}/${aggregateId}`),
      h('span', { class: `badge ${tone}`, title: meaning }, text)),
    link('Hash of the link before', prevHash, 'none: this is the first'),
    h('div', { class: 'chain-arrow', 'aria-hidden': 'true' }, '↓'),
    link('Hash of this link', hash, 'none'),
    h('p', { class: 'small muted' }, `Sealed with the key ${keyId}. ${meaning}`));
}

function changeCard(change) {
  return h('article', { class: 'card stack' },
    h('div', { class: 'row' }, h('span', { class: 'badge' }, change.operation), h('strong', {}, change.table),
      change.username && h('span', { class: 'muted' }, name(change.username), ` (user ${change.userId})`)),
    diff(change, { all: true }),
    facts([['Kafka', place(change.kafka)]]),
    h('details', {}, h('summary', { class: 'small' }, 'Whole rows'), copyable(pretty({ old: change.old, new: change.new }))));
}

function facts(list) {
  const known = list.filter(([, value]) => value && (!Array.isArray(value) || value.some(Boolean)));
  return h('dl', { class: 'facts small' }, known.map(([title, value]) => [h('dt', {}, title), h('dd', {}, value)]));
}

const place = ({ topic, partition, offset }) => h('span', { class: 'mono' }, `${topic}/${partition}/${offset}`);
const pretty = (value) => JSON.stringify(value, null, 2);

async function rawMessages(commitTs, signal) {
  const { messages, omitted } = await get(`/api/audit/transactions/${commitTs}/messages`, { signal });
  return h('div', { class: 'stack' },
    messages.map((message, i) => {
      const details = h('details', { class: 'message' },
        h('summary', {}, place(message), h('span', { class: 'small muted' }, message.missing ? '' : ` · ${message.size} bytes · ${absolute(message.at)}`)),
        message.missing ? h('p', { class: 'notice warn' }, message.missing) : copyable(indent(message.value)),
        message.truncated && h('p', { class: 'small muted' }, 'Only the beginning is shown.'));
      details.open = i === 0 || Boolean(message.missing);
      return details;
    }),
    omitted > 0 && h('p', { class: 'muted' }, `and ${omitted} more`));
}

/**
 * Returns JSON with a member on each line. Its texts and numbers stay as they
 * are: commitTs is greater than what a number holds, so it is not parsed.
 */
export function indent(json) {
  try {
    JSON.parse(json);
  } catch {
    return json; // cut off
  }
  let depth = 0;
  return json.replaceAll(/"(?:[^"\\]|\\.)*"|\[\s*\]|\{\s*\}|[{}[\],:]|\s+/g, (token) => {
    const line = () => `\n${'  '.repeat(depth)}`;
    switch (token) {
      case '{': case '[': depth++; return token + line();
      case '}': case ']': depth--; return line() + token;
      case ',': return token + line();
      case ':': return ': ';
      default: return token.trim() === '' ? '' : token;
    }
  });
}

/** Shows what is wrong with one transaction. */
function findingNotices(findings) {
  return findings.map(({ kind, detail, table: where, rowKey }) => h('div', { class: 'notice bad' },
    h('strong', {}, words(kind)), ` · ${where} ${rowKey}`, h('div', {}, detail)));
}
