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
  eye: 'M2 10s3-5.5 8-5.5 8 5.5 8 5.5-3 5.5-8 5.5S2 10 2 10Zm8 2.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4Z',
  eyeOff: 'M3 3l14 14M8.4 4.7A8 8 0 0 1 10 4.5c5 0 8 5.5 8 5.5a14 14 0 0 1-2.3 2.9M12 15.2a7.6 7.6 0 0 1-2 .3c-5 0-8-5.5-8-5.5a14 14 0 0 1 3.3-3.7M8.5 8.5a2.2 2.2 0 0 0 3 3',
  capsLock: 'M10 3l6 6.5h-3.5V13h-5V9.5H4L10 3Zm-2.5 13.5h5',
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

let ids = 0;

/** Returns an id that no other element of the document has. */
export const newID = () => `h${++ids}`;
