// The only way to make an element. Text becomes a text node and nothing else: there is no way in here for HTML.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'class') element.setAttribute('class', value);
    else if (name === 'text') element.textContent = value;
    else if (name === 'on') for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === 'style') paint(element, value);
    else if (name === 'value' || name === 'checked' || name === 'disabled' || name === 'hidden' || name === 'tabIndex') element[name] = value;
    else if (name.startsWith('on')) throw new TypeError(`${name} is no way to listen`);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/// An element of HTML. `tag` may name classes: `p.quiet`. `props`: `class`, `text`, `on: {event: function}`, `style: {property: value}` by the object
/// model, the properties value, checked, disabled, hidden and tabIndex, and any attribute. Children are nodes, texts,
/// lists of those, or nothing.
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split('.'), element = document.createElement(name);
  if (classes.length) element.className = classes.join(' ');
  return fill(element, props, children);
}

/// An element of SVG.
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/// A button that submits nothing.
export const button = (props, ...children) => h('button', { type: 'button', ...props }, ...children);

/// Has `children` in place of what the element has.
export function replace(element, ...children) {
  element.textContent = '';
  append(element, children);
  return element;
}

/// Sets properties of style; custom ones, too.
export function paint(element, style) {
  for (const [name, value] of Object.entries(style)) {
    if (name.startsWith('--')) element.style.setProperty(name, value);
    else element.style[name] = value;
  }
}

/// Sets the text if it differs: what a screen reader listens to must not speak twice.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/// Pictures of one line, drawn with the colour of the text. Always beside a word, so hidden from readers.
const ICONS = {
  copy: 'M5.5 5.5v-3h8v8h-3m-8-5h8v8h-8z',
  pause: 'M5.5 3v10M10.5 3v10',
  play: 'M4.5 2.5v11l9-5.5z',
  down: 'M8 2v9m-4-3.5 4 4 4-4M3 14h10',
  help: 'M5.5 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8m0 2.4v.1M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13z',
  close: 'm3.5 3.5 9 9m0-9-9 9',
  light: 'M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8 13 13M3 13l1.2-1.2M11.8 4.2 13 3',
  dark: 'M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3z',
  auto: 'M8 1.5a6.5 6.5 0 1 1 0 13zm0 0a6.5 6.5 0 0 0 0 13z M8 3.5h3M8 6.5h5.5M8 9.5h5.5M8 12.5h3',
  tune: 'M2 4.5h7m4 0h1M2 11.5h1m4 0h7M11 2.5a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM5 9.5a2 2 0 1 1 0 4 2 2 0 0 1 0-4z',
  refresh: 'M13.5 8a5.5 5.5 0 1 1-1.6-3.9M13.5 1.5v3h-3',
  send: 'M2 8 14 2.5 10.5 14 7.5 9.5z M7.5 9.5 14 2.5',
  compare: 'M2 5h10M9.5 2.5 12 5 9.5 7.5M14 11H4m2.5-2.5L4 11l2.5 2.5',
  star: 'm8 1.8 1.9 4 4.3.5-3.2 3 .9 4.3L8 11.4l-3.9 2.2.9-4.3-3.2-3 4.3-.5z',
  edit: 'm2.5 13.5.8-3.2 7.6-7.6 2.4 2.4-7.6 7.6zM9.4 4.2l2.4 2.4',
};

export function icon(name) {
  return svg('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' },
    svg('path', { d: ICONS[name] }));
}
