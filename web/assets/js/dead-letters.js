// Messages that projections could not understand.

import { get, newKey, post } from './api.js';
import { h } from './dom.js';
import { openDialog, toast } from './feedback.js';
import { alertBox, field, onSubmit, submitButton } from './form.js';
import { copyable, empty, fillWith } from './states.js';
import { paged, table } from './table.js';
import { time } from './time.js';

// A waiver counts once its event has come through the topics.
const waivedAfter = 2_000;

const place = ({ topic, partition, offset }) => `${topic}/${partition}/${offset}`;

/**
 * Makes the card of dead letters. `changed` runs after one was retried or
 * waived; `projections(names)` says which there are.
 */
export function deadLetters(context, changed) {
  const list = h('div');
  const state = field({ label: 'State', name: 'state', choices: [['open', 'Open'], ['waived', 'Waived']], value: 'open' });
  const projection = field({ label: 'Projection', name: 'projection', choices: [['', 'Any']], value: '' });
  const [stateInput, projectionInput] = [state, projection].map((row) => row.querySelector('select'));
  const load = async (cursor) => {
    const params = { state: stateInput.value, projection: projectionInput.value, limit: 20, cursor };
    const { deadLetters: rows, next } = await get('/api/deadletters', { params, signal: context.signal });
    return { rows, next };
  };
  const pages = paged(load, (rows) => (rows.length > 0 ? table('Dead letters', columns(again), rows)
    : stateInput.value === 'open'
      ? empty('No dead letters', h('p', { class: 'muted' }, 'Every message that came was understood. One that is not would be kept here with its bytes, and what is complete would say so.'))
      : empty('Nothing is waived', h('p', { class: 'muted' }, 'Nobody has answered for a message that is missing.'))), ['Previous', 'Next']);
  const show = () => fillWith(list, async () => { await pages.turn(0); return pages.box; }, { ...context, lines: 3 });
  const again = () => {
    if (context.signal.aborted) return;
    fillWith(list, async () => { await pages.turn(0); return pages.box; }, { ...context, keep: true });
    changed();
  };
  for (const input of [stateInput, projectionInput]) input.addEventListener('change', show);
  show();
  return {
    box: h('section', { class: 'card flush' }, h('header', {}, h('h2', {}, 'Dead letters'), h('div', { class: 'filters' }, projection, state)), list),
    projections(names) {
      for (const name of names) {
        if (![...projectionInput.options].some(({ value }) => value === name)) projectionInput.append(h('option', { value: name }, name));
      }
    },
  };
}

const columns = (again) => [
  { name: 'Message', head: true, cell: (letter) => h('div', {}, h('span', { class: 'mono break' }, place(letter)), h('div', { class: 'small muted' }, letter.projection)) },
  { name: 'Reason', cell: ({ reason }) => h('span', { class: 'break' }, reason) },
  { name: 'Sent', cell: ({ sentAt }) => (sentAt ? time(sentAt) : '') },
  { name: 'Bytes', number: true, cell: ({ size }) => String(size) },
  { name: 'Actions', hideName: true, number: true, cell: (letter) => {
    const button = (text, click) => h('button', { type: 'button', class: 'button small', 'data-action': `${text} ${place(letter)} ${letter.projection}`, on: { click } }, text, h('span', { class: 'visually-hidden' }, ` ${place(letter)} of ${letter.projection}`));
    return h('span', { class: 'row actions' }, button('Show', () => show(letter)), button('Retry', (event) => retry(letter, event.currentTarget, again)),
      letter.state === 'open' && button('Waive', () => waive(letter, again)));
  } },
];

const coordinates = ({ projection, topic, partition, offset }) => ({ projection, topic, partition, offset });

function show(letter) {
  const { reason, value, size, digest, seenAt, waiver } = letter;
  const fact = (name, content) => content && [h('dt', {}, name), h('dd', {}, content)];
  openDialog(place(letter),
    h('dl', { class: 'facts small' },
      fact('Projection', `${letter.projection}, generation ${letter.generation}`), fact('Reason', reason), fact('Seen', seenAt && time(seenAt)),
      fact('Size', `${size} bytes`), fact('SHA-256', h('span', { class: 'mono' }, digest)),
      waiver && fact('Waived', [`by ${waiver.by}, `, time(waiver.committedAt), `: ${waiver.reason}`])),
    value ? copyable(value) : h('p', { class: 'muted' }, 'It has no bytes.'),
    value && size > new TextEncoder().encode(value).length && h('p', { class: 'small muted' }, 'Only the beginning is shown.'));
}

async function retry(letter, button, again) {
  button.setAttribute('aria-busy', 'true');
  try {
    const { retried } = await post('/api/deadletters/retry', coordinates(letter), { key: newKey() });
    const failed = retried.filter(({ understood }) => !understood);
    toast(failed.length === 0 ? `${place(letter)} is understood` : `Still not understood: ${failed[0].reason}`);
    again();
  } catch (error) {
    toast(error.message);
  } finally {
    button.removeAttribute('aria-busy');
  }
}

function waive(letter, again) {
  const form = h('form', { class: 'stack', method: 'post' }, alertBox(),
    h('p', { class: 'muted' }, 'The log will do without this message, and will count as complete. This is recorded as an event with your name.'),
    field({ label: 'Reason', name: 'reason', required: true, maxlength: '500', autocomplete: 'off', autofocus: true, hint: 'For whoever asks later why it is missing.' }),
    h('footer', { class: 'row' }, submitButton('Waive', 'primary danger')));
  const dialog = openDialog(`Waive ${place(letter)}`, form);
  onSubmit(form, async ({ reason }, key) => {
    await post('/api/deadletters/waive', { ...coordinates(letter), reason }, { key });
    dialog.close();
    toast(`${place(letter)} is waived`);
    again();
    setTimeout(again, waivedAfter);
  });
}
