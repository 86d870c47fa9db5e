// What the page says beside what it shows: messages that pass, words for a screen reader, texts for the clipboard.
import { button, h, icon, say } from './dom.js';
import { showText } from './states.js';

export function makeTalk() {
  const live = h('p.unseen', { 'aria-live': 'polite' });
  const toasts = h('div.toasts', { role: 'status', 'aria-label': 'Messages' });

  let toldAt = 0, waitingWords = null;
  /// Says it to a screen reader: one thing in 5 s at most, the last one.
  function announce(words) {
    const wait = toldAt + 5000 - performance.now();
    if (wait > 0) {
      if (waitingWords === null) setTimeout(() => { const last = waitingWords; waitingWords = null; announce(last); }, wait);
      waitingWords = words;
      return;
    }
    toldAt = performance.now();
    say(live, words);
  }

  function toast(words, tone = '') {
    const element = h('p', { class: `toast ${tone}`, text: words });
    toasts.append(element);
    while (toasts.children.length > 4) toasts.firstChild.remove();
    setTimeout(() => element.remove(), tone === 'bad' ? 9000 : 4000);
  }

  /// Copies; without a secure context it shows the text, selected.
  async function copyText(words, what = 'It') {
    try {
      await navigator.clipboard.writeText(words);
      toast(`${what} is copied`);
      return true;
    } catch {
      showText(words);
      return false;
    }
  }

  /// Lines for a shell, each with its Copy.
  function commands(lines) {
    return h('ul.commands', {}, lines.map(([command, words]) => h('li', {}, h('code', { text: command }),
      button({ class: 'button', 'aria-label': `Copy: ${words}`, on: { click: () => copyText(command, 'The line') } }, icon('copy'), 'Copy'), h('span.quiet', { text: words }))));
  }

  return { live, toasts, announce, toast, copyText, commands };
}
