// Times in the zone of whoever looks, relative ones kept up to date.

const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const words = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
const steps = [['year', 31_557_600], ['month', 2_629_800], ['day', 86_400], ['hour', 3_600], ['minute', 60]];

/** Returns "10:30:00", with the day if it is not today. */
export function absolute(at) {
  const date = new Date(at), now = new Date();
  if (date.toDateString() === now.toDateString()) return clock.format(date);
  return `${(date.getFullYear() === now.getFullYear() ? day : dayOfYear).format(date)}, ${clock.format(date)}`;
}

/** Returns such as "5 minutes ago". */
export function relative(at, now = Date.now()) {
  const seconds = (new Date(at) - now) / 1000;
  for (const [unit, length] of steps) {
    if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit);
  }
  return Math.abs(seconds) < 1.5 ? 'just now' : words.format(Math.trunc(seconds), 'second');
}

let style;
try { style = localStorage.getItem('times'); } catch { /* storage is forbidden */ }
if (style !== 'absolute') style = 'relative';

/**
 * Makes a `<time>`. It follows what the viewer wants of times; `as` pins it to
 * "relative" or "absolute". The other form and the zone are in its title.
 */
export function time(at, as) {
  const element = document.createElement('time');
  element.dateTime = at;
  if (as) element.dataset.as = as;
  else element.dataset.as = '';
  element.title = full.format(new Date(at));
  write(element);
  return element;
}

/** Makes a button that switches all times between relative and absolute. */
export function timeSwitch() {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'button quiet small';
  const label = () => { button.textContent = style === 'relative' ? 'Show clock times' : 'Show relative times'; };
  button.addEventListener('click', () => {
    style = style === 'relative' ? 'absolute' : 'relative';
    try { localStorage.setItem('times', style); } catch { /* lasts as long as the page */ }
    label();
    writeAll();
  });
  label();
  return button;
}

/** The beginning of the viewer's day, as the API takes times. */
export function midnight() {
  const date = new Date();
  date.setHours(0, 0, 0, 0);
  return date.toISOString();
}

// What is told anew about once a second stands still in between.
const calm = 2_500;

/** Makes a text such as "0.8 s ago", which grows until tellAgo sets it anew. */
export function ago(seconds) {
  const element = document.createElement('span');
  element.className = 'nowrap';
  tellAgo(element, seconds);
  return element;
}

/** Says of what `ago` has made that it is so many seconds ago, by now. */
export function tellAgo(element, seconds) {
  element.dataset.lag = Math.max(0, seconds);
  element.dataset.toldAt = Date.now();
  writeAgo(element);
}

/** Returns such as "0.8 s", "3 min" or "2 h" for a number of seconds. */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

function write(element) {
  const text = (element.dataset.as || style) === 'relative' ? relative(element.dateTime) : absolute(element.dateTime);
  if (element.textContent !== text) element.textContent = text;
}

function writeAgo(element) {
  const since = Date.now() - element.dataset.toldAt;
  const text = `${duration(Number(element.dataset.lag) + (since > calm ? since / 1000 : 0))} ago`;
  if (element.textContent !== text) element.textContent = text;
}

function writeAll() {
  for (const element of document.querySelectorAll('time[data-as]')) write(element);
  for (const element of document.querySelectorAll('[data-told-at]')) writeAgo(element);
}

setInterval(() => { if (!document.hidden) writeAll(); }, 1_000);
