// Elements without HTML in strings: what comes from data is always text.

const svgNamespace = 'http://www.w3.org/2000/svg';

/**
 * Makes an element. Props: `class`, `on` (listeners by event), `dataset`, and
 * attributes; true sets an empty attribute, null, undefined and false none.
 * Children are nodes, texts, or lists of them; null, undefined and false are
 * left out.
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Makes an SVG element, as h does. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(svgNamespace, tag), props, children);
}

/** Makes a decorative icon of 20 × 20 from the data of one path. */
export function icon(path) {
  return svg('svg', { viewBox: '0 0 20 20', 'aria-hidden': 'true' }, svg('path', { d: path }));
}

export const icons = {
  close: 'M5 5l10 10M15 5 5 15',
  empty: 'M3 11.5 5.5 4h9l2.5 7.5V16H3v-4.5Zm0 0h4.2l1 2h3.6l1-2H17',
  failed: 'M10 7v4m0 3h.01M10 2.5 18 16.5H2L10 2.5Z',
};

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value == null || value === false) continue;
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === 'dataset') {
      Object.assign(element.dataset, value);
    } else {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** Finds the button or summary with a `data-action` that can be used. */
export const byAction = (root, action) => root.querySelector(`[data-action="${CSS.escape(action)}"]:not([disabled])`);

/**
 * Remembers which details within box are open, and where in it the focus is,
 * by the `data-action` of buttons and summaries. It returns what sets both
 * again once the content was replaced; a focus whose place is gone goes to the
 * table, or to the box.
 */
export function holdPlace(box) {
  const within = box.contains(document.activeElement), action = within ? document.activeElement.dataset.action : null;
  const named = (summary) => summary.dataset.action;
  const open = new Set([...box.querySelectorAll('details[open] > summary[data-action]')].map(named));
  return () => {
    for (const summary of box.querySelectorAll('details > summary[data-action]')) {
      if (open.has(named(summary))) summary.parentElement.open = true;
    }
    if (!within || box.contains(document.activeElement) || document.activeElement !== document.body) return;
    const target = (action && byAction(box, action)) || (box.querySelector('.table') ?? box);
    if (target === box && !box.hasAttribute('tabindex')) box.tabIndex = -1;
    target.focus({ preventScroll: true });
  };
}

/** Replaces what is in box, but not what its viewer has made of it: see holdPlace. */
export function refill(box, ...nodes) {
  const restore = holdPlace(box);
  box.replaceChildren(...nodes);
  restore();
}

let ids = 0;

/** Returns an id that no other element of the document has. */
export const newID = () => `h${++ids}`;
