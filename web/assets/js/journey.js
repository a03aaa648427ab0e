// How long each step of an entry's way took, as a small picture.

import { h, svg } from './dom.js';
import { absolute } from './time.js';

const stepNames = { occurred: 'happened', committed: 'committed', inKafka: 'in Kafka', projected: 'in the log' };
const width = 1000, barHeight = 14;

/**
 * Draws entries as bars over one axis of time, a part for each step, with the
 * same in words beside them. Clocks of several machines are compared, so that
 * a step can seem to end before it began.
 */
export function journey(entries) {
  const shown = entries.filter(({ steps }) => steps.length > 1).slice(0, 12);
  if (shown.length === 0) return h('p', { class: 'muted' }, 'Not known.');
  const times = shown.flatMap(({ steps }) => steps.map(({ at }) => Date.parse(at)));
  const first = Math.min(...times), span = Math.max(1, Math.max(...times) - first);
  const x = (at) => ((Date.parse(at) - first) / span) * width;
  return h('div', { class: 'stack' },
    h('ul', { class: 'legend small muted' }, Object.entries(stepNames).slice(1).map(([key, text]) => h('li', {}, h('span', { class: `swatch step-${key}` }), `until ${text}`))),
    shown.map((entry) => lane(entry, x)),
    h('p', { class: 'small muted' }, `${absolute(first)} to ${absolute(first + span)}, ${millis(span)} in all. The clocks of the service, TiDB and Kafka are compared here.`));
}

function lane({ eventType, operation, table, steps }, x) {
  const title = eventType ?? `${operation} ${table}`;
  const parts = steps.slice(1).map((step, i) => ({ name: step.name, from: x(steps[i].at), to: x(step.at), lag: step.lagMillis }));
  const text = parts.map(({ name, lag }) => `${stepNames[name] ?? name} after ${millis(lag)}`).join(', ');
  return h('div', { class: 'lane' },
    h('div', { class: 'row spread small' }, h('strong', {}, title), h('span', { class: 'muted' }, text)),
    svg('svg', { class: 'journey', viewBox: `0 0 ${width} ${barHeight}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${title}: ${text}` },
      svg('rect', { class: 'track', x: 0, y: 0, width, height: barHeight }),
      parts.map(({ name, from, to }) => svg('rect', { class: `step-${name}`, x: Math.min(from, to), y: 0, width: Math.max(2, Math.abs(to - from)), height: barHeight }))));
}

function millis(lag) {
  if (Math.abs(lag) < 10) return `${lag.toFixed(1)} ms`;
  return Math.abs(lag) < 10_000 ? `${Math.round(lag)} ms` : `${(lag / 1000).toFixed(1)} s`;
}
