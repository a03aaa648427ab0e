// Drawings with axes that fill the width they have, tell the value under the
// pointer, and can be walked through with the arrow keys.

import { h, svg } from './dom.js';

const margin = { left: 44, right: 8, top: 10, bottom: 26 };
const format = new Intl.NumberFormat();

/**
 * Makes a figure. `draw(width)` returns `{height, shapes, at(x, y), marks}`:
 * shapes are SVG elements; `at` returns the index of the mark at a point, or
 * -1; marks are `{x, y, width, height, text}` in reading order. `columns` is
 * how many marks further the arrows up and down lead.
 */
export function plot(label, draw, { columns = 1 } = {}) {
  const tip = h('div', { class: 'tip', role: 'status', hidden: true });
  const cursor = svg('rect', { class: 'cursor', rx: 2, visibility: 'hidden' });
  const picture = svg('svg', { class: 'plot', role: 'img', 'aria-label': label });
  const box = h('div', { class: 'plot-box', tabindex: '0', role: 'group', 'aria-label': `${label}. The arrow keys lead from value to value.` }, picture, tip);
  let drawn, current = -1, width = 0;

  function redraw() {
    width = Math.max(240, Math.floor(box.clientWidth));
    drawn = draw(width);
    picture.setAttribute('viewBox', `0 0 ${width} ${drawn.height}`);
    picture.setAttribute('width', width);
    picture.setAttribute('height', drawn.height);
    picture.replaceChildren(...drawn.shapes, cursor);
    show(-1);
  }

  function show(index) {
    current = index;
    const mark = drawn.marks[index];
    tip.hidden = !mark;
    cursor.setAttribute('visibility', mark ? 'visible' : 'hidden');
    if (!mark) return;
    for (const name of ['x', 'y', 'width', 'height']) cursor.setAttribute(name, mark[name]);
    tip.textContent = mark.text;
    const middle = mark.x + mark.width / 2;
    tip.style.left = `${Math.min(Math.max(0, middle - tip.offsetWidth / 2), width - tip.offsetWidth)}px`;
    tip.style.top = `${Math.max(0, mark.y - tip.offsetHeight - 6)}px`;
  }

  picture.addEventListener('pointermove', (event) => {
    const { left, top } = picture.getBoundingClientRect();
    show(drawn.at(event.clientX - left, event.clientY - top));
  });
  picture.addEventListener('pointerleave', () => show(-1));
  box.addEventListener('focus', () => { if (current < 0 && box.matches(':focus-visible')) show(drawn.marks.length - 1); });
  box.addEventListener('blur', () => show(-1));
  box.addEventListener('keydown', (event) => {
    const last = drawn.marks.length - 1;
    const to = { ArrowLeft: current - 1, ArrowRight: current + 1, ArrowUp: current - columns, ArrowDown: current + columns, Home: 0, End: last }[event.key];
    if (event.key === 'Escape') show(-1);
    if (to === undefined || last < 0) return;
    event.preventDefault();
    if (to >= 0 && to <= last) show(to);
  });
  new ResizeObserver(() => { if (Math.floor(box.clientWidth) !== width) redraw(); }).observe(box);
  return box;
}

/** Returns round values from 0 up to at least most, some five of them. */
export function ticks(most) {
  const rough = Math.max(1, most) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].find((factor) => factor * power >= rough) * power);
  return Array.from({ length: Math.ceil(Math.max(1, most) / step) + 1 }, (_, i) => i * step);
}

/**
 * Draws columns: `{label, text, values}`, the values on top of one another or,
 * with `line`, the first as a line that is broken where it is null. Every label
 * that is not empty stands below, as far as there is room.
 */
export function columns(data, { width, height = 220, classes, line = false, most, unit = '' }) {
  const top = Math.max(most ?? 0, ...data.map(({ values }) => values.reduce((sum, value) => sum + (value ?? 0), 0)));
  const scale = ticks(top), greatest = scale.at(-1);
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const slot = inner.width / Math.max(1, data.length), floor = margin.top + inner.height;
  const y = (value) => floor - (value / greatest) * inner.height;
  const x = (i) => margin.left + i * slot;
  const gap = slot > 6 ? Math.min(6, slot * 0.25) : slot > 2 ? 1 : 0;
  const shapes = scale.map((value) => svg('g', {},
    svg('line', { class: value === 0 ? 'axis' : 'rule', x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }),
    svg('text', { x: margin.left - 8, y: y(value) + 4, 'text-anchor': 'end' }, `${format.format(value)}${unit}`)));
  if (line) {
    shapes.push(...runs(data).map((run) => (run.length === 1
      ? svg('circle', { class: 'point', cx: x(run[0].i) + slot / 2, cy: y(run[0].value), r: 2.5 })
      : svg('polyline', { class: 'curve', points: run.map(({ i, value }) => `${(x(i) + slot / 2).toFixed(1)},${y(value).toFixed(1)}`).join(' ') }))));
  } else {
    data.forEach(({ values }, i) => {
      let below = 0;
      values.forEach((value, series) => {
        if (value > 0) {
          shapes.push(svg('rect', { class: classes[series], x: x(i) + gap / 2, y: y(below + value), width: Math.max(0.5, slot - gap), height: y(below) - y(below + value) }));
        }
        below += value;
      });
    });
  }
  let free = 0;
  data.forEach(({ label }, i) => {
    const middle = x(i) + slot / 2, half = label.length * 3.6;
    if (!label || middle - half < free || middle + half > width + 6) return;
    shapes.push(svg('text', { x: middle, y: height - 8, 'text-anchor': 'middle' }, label));
    free = middle + half + 8;
  });
  const marks = data.map(({ text }, i) => ({ x: x(i), y: margin.top, width: slot, height: inner.height, text }));
  const at = (px) => (px < margin.left ? -1 : Math.min(data.length - 1, Math.floor((px - margin.left) / slot)));
  return { height, shapes, marks, at };
}

function runs(data) {
  const found = [];
  let open = null;
  data.forEach(({ values: [value] }, i) => {
    if (value == null) { open = null; return; }
    if (!open) found.push(open = []);
    open.push({ i, value });
  });
  return found;
}

/** Draws a grid: `cells[row][column]` are `{value, text}`. */
export function grid(cells, { width, rows, columns: names }) {
  const left = 40, size = (width - left - margin.right) / names.length, rowHeight = Math.max(18, Math.min(30, size));
  const top = 4, height = top + rows.length * rowHeight + margin.bottom;
  const most = Math.max(1, ...cells.flat().map(({ value }) => value));
  const shapes = [], marks = [];
  rows.forEach((row, r) => {
    shapes.push(svg('text', { x: left - 8, y: top + (r + 0.5) * rowHeight + 4, 'text-anchor': 'end' }, row));
    names.forEach((_, c) => {
      const { value, text } = cells[r][c];
      const place = { x: left + c * size, y: top + r * rowHeight, width: size, height: rowHeight };
      marks.push({ ...place, text });
      shapes.push(svg('rect', { class: value ? 'heat' : 'cold', rx: 3, x: place.x + 1, y: place.y + 1, width: size - 2, height: rowHeight - 2, 'fill-opacity': value ? (0.15 + 0.85 * (value / most)).toFixed(3) : null }));
    });
  });
  const every = size < 22 ? 6 : size < 34 ? 3 : 1;
  names.forEach((name, c) => {
    if (c % every === 0) shapes.push(svg('text', { x: left + (c + 0.5) * size, y: height - 8, 'text-anchor': 'middle' }, name));
  });
  const at = (x, y) => {
    const c = Math.floor((x - left) / size), r = Math.floor((y - top) / rowHeight);
    return c < 0 || c >= names.length || r < 0 || r >= rows.length ? -1 : r * names.length + c;
  };
  return { height, shapes, marks, at };
}
