// Parts that scroll by themselves and are made in pieces, so that a large one costs no more than a small one.
import { button, h, icon } from './dom.js';
import { hexRows } from './hex.js';
import { visible } from './text.js';

/// Where the API has an exchange, and where the page shows it.
export const address = id => `/api/exchanges/${encodeURIComponent(id)}`;
export const place = id => `#/x/${encodeURIComponent(id)}/story`;

/// The heading of a view in the list's place, and the way back.
export const sheetHead = (app, id, text) => h('header.sheet-head', {}, h('h2', { id, text }),
  button({ class: 'icon-button', 'aria-label': 'Close', title: 'Back (Esc)', on: { click: () => app.close() } }, icon('close')));

/// A part that scrolls by itself, also by keyboard.
export function scroller(label, className, ...children) {
  return h('div', { class: `scroller ${className}`, role: 'region', 'aria-label': label, tabIndex: 0 }, ...children);
}

/// Adds pieces to an element until all are there: the first at once, each further one when it is asked for.
export function inPieces(container, total, step, noun, make) {
  let done = 0;
  const more = button({ class: 'more-button', on: { click: () => add(true) } });
  function add(isAsked) {
    const end = Math.min(total, done + step);
    more.remove();
    for (const node of [make(done, end)].flat()) container.append(node);
    done = end;
    if (done < total) {
      const next = Math.min(step, total - done);
      more.textContent = `Show ${next.toLocaleString('en')} more of ${(total - done).toLocaleString('en')} ${noun}`;
      container.append(more);
      if (isAsked) more.focus({ preventScroll: true });
    }
  }
  add(false);
  return container;
}

/// A text in pieces; `at` is where something is wrong with it.
export function textPane(text, label, { isWrapped = true, at = null } = {}) {
  const pre = h('div', { class: isWrapped ? 'verbatim wrap' : 'verbatim' });
  inPieces(pre, text.length, 20000, 'characters', (from, to) => {
    // Not between the halves of a character.
    if (to < text.length && /[\ud800-\udbff]/.test(text[to - 1])) to -= 1;
    if (from > 0 && /[\udc00-\udfff]/.test(text[from])) from -= 1;
    if (at === null || at < from || at >= to) return visible(text.slice(from, to));
    return [...visible(text.slice(from, at)), h('mark.broken', { title: 'Here' }, visible(text.slice(at, at + 1))),
      ...visible(text.slice(at + 1, to))];
  });
  return scroller(label, 'text', pre);
}

export function hexPane(bytes, label) {
  const pre = h('div.verbatim');
  inPieces(pre, bytes.length, 16 * 512, 'octets', (from, to) => `${hexRows(bytes, from, to).join('\n')}\n`);
  return scroller(label, 'text', pre);
}
