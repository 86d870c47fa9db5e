// What a person does with an exchange: send it again, edit it, pin it, put a text on the clipboard.
import { isPasteable } from './copy.js';
import { button, h, icon } from './dom.js';
import { number, plain, plural } from './text.js';
import { address, place } from './panes.js';

// Nothing happens twice by these (RFC 9110 section 9.2.1). PUT and DELETE may be repeated, but do something.
const safe = new Set(['GET', 'HEAD', 'OPTIONS', 'QUERY']);

/// Why the composer was opened: `{id, isAgain, missing}`; it takes it once.
let intent = null;

export function takeIntent(id) {
  const taken = intent?.id === id ? intent : null;
  intent = null;
  return taken;
}

export const composerFragment = id => (id === null ? '#/send' : `#/send/${encodeURIComponent(id)}`);

function isOff(app) {
  if (app.isOnline !== false) return false;
  app.toast('Squire does not answer: nothing can be sent now.', 'bad');
  return true;
}

const sending = new Set();

/// Sends again under the token of now: at once if nothing can happen twice, else from the composer, once confirmed.
export async function sendAgain(app, x) {
  if (isOff(app) || sending.has(x.id)) return;
  if (!safe.has(x.method)) return compose(app, x, { isAgain: true });
  sending.add(x.id);
  const answer = await app.api.send('POST', `${address(x.id)}/replay`);
  sending.delete(x.id);
  if (answer.ok) return shown(app, answer.json);
  if (answer.problem?.why === 'redacted') return compose(app, x, { isAgain: true, missing: answer.problem.missing });
  app.toast(`Not sent: ${plain(whyNot(answer.problem))}`, 'bad');
}

/// What went out and came back, or what is there of it so far.
function shown(app, made) {
  app.store.put([made]);
  app.select(made.id);
  app.announce(`Sent again: ${made.status ?? 'running'}`);
  app.go(place(made.id));
}

export function whyNot(problem) {
  return {
    cut: 'its body was not kept whole.', websocket: 'a WebSocket cannot be sent again.', running: 'it is still running.',
    refused: 'Squire refused it when it came. Edit it (e) to send it as a request of your own.',
  }[problem?.why] ?? problem?.detail ?? problem?.title ?? 'Squire did not say why.';
}

/// Opens the composer with it.
export function compose(app, x, { isAgain = false, missing = null } = {}) {
  intent = { id: x.id, isAgain, missing };
  app.go(composerFragment(x.id));
}

/// Keeps an exchange from being evicted, or no longer. Whether it is pinned now.
export async function pin(app, x) {
  const isPinned = x.flags?.includes('pinned') ?? false;
  if (isOff(app)) return isPinned;
  const answer = await app.api.send('PUT', `${address(x.id)}/pin`, { pinned: !isPinned });
  if (answer.ok) {
    app.toast(answer.json.pinned ? 'Pinned: it is not evicted' : 'No longer pinned');
    return answer.json.pinned;
  }
  app.toast(answer.problem?.code === 'pins_full' ? 'Not pinned: there is no room for more pins. Take one off first.'
    : `Not pinned: ${plain(answer.problem?.detail ?? '')}`, 'bad');
  return isPinned;
}

/// So many ids fit in a request line.
const IDS = 300;

/// Saves what the filter shows, or all that is kept, as an HTTP archive.
export async function exportArchive(app) {
  if (isOff(app)) return undefined;
  const failed = problem => app.toast(`Not saved: ${plain(problem.detail || problem.title)}`, 'bad');
  if (app.view.filter.isEmpty) {
    const result = await app.api.download('/api/exchanges.har', 'squire.har');
    return result.ok ? app.toast('All that is kept is saved') : failed(result.problem);
  }
  const shown = app.view.items.filter(row => row.kind === 'exchange' && !row.isGone).map(row => row.key);
  if (!shown.length) return app.toast('The filter shows nothing to export');
  let archive = null;
  for (let from = 0; from < shown.length; from += IDS) {
    const part = await app.api.get(`/api/exchanges.har?ids=${shown.slice(from, from + IDS).map(encodeURIComponent).join(',')}`);
    if (!part.ok) return failed(part.problem);
    if (!archive) archive = part.json; else for (const entry of part.json.log.entries) archive.log.entries.push(entry);
  }
  app.api.save(new Blob([JSON.stringify(archive)], { type: 'application/octet-stream' }), 'squire.har');
  const count = archive.log.entries.length, gone = shown.length - count;
  return app.toast(`${plural(count, 'exchange is', 'exchanges are')} saved${gone > 0 ? `; ${number(gone)} more are running or no longer kept` : ''}`);
}

/// Goes back to the list.
export function closeButton(app) {
  return button({
    class: 'quiet-button', 'aria-label': 'Close', title: 'Back to the list (Esc)',
    on: { click: () => app.close() },
  }, icon('close'));
}

/// Puts a text on the clipboard, if it may stand there.
export function copyOut(app, text, what) {
  if (isPasteable(text)) return app.copyText(text, what);
  return app.toast(`${what} is not copied: it has characters that no clipboard should carry.`, 'bad');
}
