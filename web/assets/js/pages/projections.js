// The projections: their generations, rebuilds, and what they could not
// understand.

import { get, newKey, post } from '../api.js';
import { deadLetters } from '../dead-letters.js';
import { h, refill } from '../dom.js';
import { confirm, openDialog, toast } from '../feedback.js';
import { alertBox, onSubmit, submitButton } from '../form.js';
import { rebuildCard } from '../rebuild.js';
import { fillWith } from '../states.js';
import { table } from '../table.js';
import { duration, time } from '../time.js';

const number = new Intl.NumberFormat();
// While something is being built it is looked at more often.
const workingEvery = 1_000, idleEvery = 5_000;

export function render(container, context) {
  const box = h('div', { class: 'page' }), letters = deadLetters(context, () => refresh());
  const old = h('span', { class: 'badge', hidden: true }, h('span', { class: 'dot warn' }), 'Not up to date');
  let timer, shown = '';
  container.append(h('header', { class: 'page-head' }, h('h1', {}, 'Projections'), old), box, letters.box);

  const read = async () => {
    const answer = await get('/api/projections', { signal: context.signal });
    shown = JSON.stringify(answer);
    letters.projections([...new Set(answer.generations.map(({ projection }) => projection))]);
    schedule(answer.rebuilds?.some(({ state }) => state === 'running'));
    return answer;
  };
  const refresh = async () => {
    const was = shown;
    try {
      const answer = await read();
      old.hidden = true;
      // Whoever is about to press a button must not have it replaced for nothing.
      if (shown !== was) draw(answer);
    } catch {
      if (context.signal.aborted) return;
      old.hidden = false;
      schedule(false);
    }
  };
  function schedule(working) {
    clearTimeout(timer);
    timer = setTimeout(() => (document.hidden ? schedule(working) : refresh()), working ? workingEvery : idleEvery);
  }
  function draw(answer) {
    const scrolled = scrollY;
    refill(box, ...cards(answer, refresh).children);
    scrollTo(0, scrolled);
  }
  fillWith(box, async () => cards(await read(), refresh), { ...context, lines: 6 }).then(() => {
    if (!context.signal.aborted && !timer) schedule(false);
  });
  return () => clearTimeout(timer);
}

function cards({ generations, rebuilds = [] }, refresh) {
  const by = Map.groupBy(generations, ({ projection }) => projection);
  return h('div', { class: 'page' }, [...by].map(([projection, list]) => {
    const runs = rebuilds.filter((run) => run.projection === projection);
    const working = runs.some(({ state }) => state === 'running');
    const standby = list.some(({ state }) => state === 'standby');
    const atWork = list.map((one) => one.atWork).find(Boolean);
    return h('section', { class: 'card flush' },
      h('header', {}, h('div', {}, h('h2', {}, projection), atWork && h('p', { class: 'small muted break' }, `At work: ${atWork}`)),
        h('div', { class: 'row' },
          action(`rollback ${projection}`, 'Roll back', () => rollback(projection, refresh), !standby || working),
          action(`rebuild ${projection}`, 'Rebuild', () => rebuild(projection, refresh), working))),
      table(`Generations of ${projection}`, list.some(({ digest }) => digest) ? [...columns, digestColumn] : columns, list),
      runs.map((run) => rebuildCard(run, list.find(({ generation }) => generation === run.generation))));
  }));
}

const action = (key, text, click, disabled) => h('button', { type: 'button', class: 'button small', disabled, 'data-action': key, on: { click } }, text);

const tones = { live: 'good', standby: 'accent', building: 'warn', checking: 'warn', retired: '' };

const columns = [
  { name: 'Generation', head: true, cell: ({ generation, state }) => h('span', { class: 'row' }, `#${generation}`, h('span', { class: `badge ${tones[state] ?? ''}` }, state)) },
  { name: 'Begun', cell: ({ beganAt }) => time(beganAt) },
  { name: 'Live since', cell: ({ liveSince }) => (liveSince ? time(liveSince) : h('span', { class: 'muted' }, 'never')) },
  { name: 'Lag', cell: ({ lag, lagSeconds }) => h('span', {}, `${number.format(lag)} messages`, lagSeconds != null && h('span', { class: 'muted' }, ` · ${duration(Math.max(0, lagSeconds))}`)) },
  { name: 'Complete through', cell: ({ completeThrough }) => (completeThrough ? time(completeThrough, 'absolute') : h('span', { class: 'muted' }, 'not known')) },
  { name: 'Dead letters', number: true, cell: ({ deadLetters: open, waivedDeadLetters }) => h('span', {},
    h('span', { class: open > 0 ? 'badge bad' : '' }, number.format(open)), waivedDeadLetters > 0 && h('span', { class: 'muted' }, ` + ${number.format(waivedDeadLetters)} waived`)) },
];

const digestColumn = { name: 'Digest', cell: ({ digest, differsFromLive }) => (digest ? h('span', {},
    h('span', { class: 'mono', title: digest.sum }, String(digest.sum).slice(0, 12)), h('span', { class: 'muted' }, ` of ${number.format(digest.rows)} rows`),
    differsFromLive && h('span', { class: 'badge bad' }, 'differs')) : h('span', { class: 'muted' }, '–')) };

async function rollback(projection, refresh) {
  const sure = await confirm({
    title: `Roll ${projection} back?`, action: 'Roll back', danger: true,
    text: 'The generation that was live before is live again at once. It has been fed all along, so that nothing is missing.',
  });
  if (!sure) return;
  try {
    const { generation } = await post(`/api/projections/${encodeURIComponent(projection)}/rollback`, {}, { key: newKey() });
    toast(`Generation ${generation} of ${projection} is live`);
  } catch (error) {
    toast(error.message);
  }
  refresh();
}

const modes = [
  ['', 'Replace it if it is equal', 'A new generation is made from the topics and compared with the live one. If both are equal, it takes its place.'],
  ['verify', 'Verify only', 'The same, but the new generation is thrown away. The live one stays.'],
  ['acceptDiff', 'Replace it also if it differs', 'For a projection that has come to do something else, or has been damaged.'],
];

function rebuild(projection, refresh) {
  const form = h('form', { class: 'stack', method: 'post' }, alertBox(),
    h('fieldset', { class: 'options' }, h('legend', { class: 'legend' }, 'What becomes of it'), modes.map(([value, title, text], i) => h('label', { class: 'option' },
      h('input', { type: 'radio', name: 'mode', value, checked: i === 0 }), h('span', {}, h('strong', {}, title), h('span', { class: 'hint' }, text))))),
    h('p', { class: 'small muted' }, 'Logins and readers go on meanwhile. A rebuild that was cut off goes on where it stopped.'),
    h('footer', { class: 'row' }, submitButton('Rebuild')));
  const dialog = openDialog(`Rebuild ${projection}`, form);
  onSubmit(form, async ({ mode }, key) => {
    await post(`/api/projections/${encodeURIComponent(projection)}/rebuild`, { verify: mode === 'verify', acceptDiff: mode === 'acceptDiff' }, { key });
    dialog.close();
    toast(`${projection} is being rebuilt`);
    refresh();
  });
}
