// Small drawings of numbers. Pages show the same numbers in a table too.

import { h, svg } from './dom.js';

/**
 * Draws series of equally many numbers as lines over one another, from oldest
 * to newest. Each is `{name, values, bad}`; the first has its area filled.
 * `label` tells screen readers what it is.
 */
export function sparkline(series, label) {
  const width = 600, height = 132, floor = height - 1;
  const most = Math.max(1, ...series.flatMap(({ values }) => values));
  const points = (values) => values.map((value, i) => {
    const x = values.length > 1 ? (i * width) / (values.length - 1) : 0;
    return `${x.toFixed(1)},${(floor - (value / most) * (height - 8)).toFixed(1)}`;
  });
  const first = points(series[0].values).join(' ');
  return svg('svg', { class: 'spark', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    svg('polygon', { class: 'area', points: `0,${floor} ${first} ${width},${floor}` }),
    svg('path', { class: 'base', d: `M0 ${floor}H${width}` }),
    series.toReversed().map(({ values, bad }) => svg('polyline', { class: bad ? 'line bad' : 'line', points: points(values).join(' ') })));
}

/** Says which line is which. */
export function legend(series) {
  return h('p', { class: 'row small muted' }, series.map(({ name, bad }) => h('span', { class: 'row' }, h('span', { class: bad ? 'key bad' : 'key' }), name)));
}
