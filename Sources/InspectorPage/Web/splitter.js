// The line between list and detail: dragged, or moved by arrows.
import { h, paint } from './dom.js';

export function makeSplitter(prefs, list) {
  const element = h('div.splitter', { role: 'separator', 'aria-label': 'Width of the list', 'aria-orientation': 'vertical', 'aria-valuemin': 20, 'aria-valuemax': 80, tabIndex: 0, hidden: true });

  function show() {
    const share = prefs.get('detail');
    element.setAttribute('aria-valuenow', String(Math.round(share * 100)));
    paint(list.ownerDocument.documentElement, { '--list': `${share}`, '--detail': `${1 - share}` });
  }

  const set = share => { prefs.set('detail', Math.min(0.79, Math.max(0.21, share))); show(); };

  element.addEventListener('keydown', event => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (!step) return;
    event.preventDefault();
    set(prefs.get('detail') + step);
  });
  element.addEventListener('pointerdown', event => { element.setPointerCapture(event.pointerId); event.preventDefault(); });
  element.addEventListener('pointermove', event => {
    const place = list.parentNode.getBoundingClientRect();
    if (element.hasPointerCapture(event.pointerId)) set((event.clientX - place.left) / place.width);
  });
  element.addEventListener('dblclick', () => set(0.5));
  show();
  return element;
}
