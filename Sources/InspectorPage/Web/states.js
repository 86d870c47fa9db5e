// What is shown when there is no list to show, or nobody who answers: empty, loading, disconnected, refused, locked, gone.
import { quote } from './copy.js';
import { button, h, icon, replace, say } from './dom.js';
import { plain, size, time } from './text.js';

// The bar above the list

/// Squire does not answer, or is another one than this page's.
export function drawAlert(place, app, feed, { isUpdated }) {
  const { kind } = app.connection;
  const wanted = kind === 'lost' ? 'lost' : isUpdated ? 'updated' : '';
  if (place.dataset.shown !== wanted) {
    place.dataset.shown = wanted;
    clearInterval(place.timer);
    if (wanted === '') replace(place);
    if (wanted === 'updated') replace(place, h('div.alert.info', { role: 'alert', 'aria-label': 'Update' }, h('p', { text: 'Squire was updated: this page is of the version before.' }), button({ class: 'button', on: { click: () => location.reload() } }, 'Reload')));
    if (wanted === 'lost') {
      const soon = h('span', { 'aria-live': 'off' });
      const words = h('p', {}, h('b', { text: 'Squire does not answer' }), soon, h('span.until', { text: app.store.rows.length ? ` What you see was recorded until ${time(app.clock.now())}.` : '' }), h('span.why'));
      replace(place, h('div.alert', { role: 'alert', 'aria-label': 'Connection' }, words, button({ class: 'button', on: { click: () => feed.retry() } }, icon('refresh'), 'Try now')));
      const tick = () => {
        const left = Math.max(0, Math.ceil(((app.connection.retryAt ?? 0) - performance.now()) / 1000));
        say(soon, left > 0 ? `: trying again in ${left} s.` : ': trying again.');
      };
      tick();
      place.timer = setInterval(tick, 250);
    }
  }
  if (wanted === 'lost') say(place.querySelector('.why'), app.connection.why ? ` ${plain(app.connection.why)}` : app.isEnding ? ' Squire said that it was ending.' : '');
  if (wanted === '') app.isEnding = false;
}

// In place of rows

let isSlow = false;

/// Skeleton rows only after a moment: what is quick shall not flicker.
export function watchLoading(app, tell) {
  setTimeout(() => { isSlow = true; tell(); }, 150);
}

export function drawNotice(place, app) {
  const isLoading = !app.hasList && app.isOnline;
  const kind = isLoading ? (isSlow ? 'loading' : '') : app.hasList && app.store.rows.length === 0 ? `empty ${app.record} ${listenerOf(app)?.text ?? ''} ${app.status?.copy?.examples ?? ''}` : app.hasList && app.view.items.length === 0 ? 'nothing' : '';
  if (place.dataset.kind === kind) return;
  place.dataset.kind = kind;
  place.hidden = kind === '';
  if (kind === 'loading') replace(place, h('div.skeleton', { 'aria-label': 'Loading', role: 'img' }, Array.from({ length: 12 }, (_, i) => h('i', { style: { '--w': `${34 + (i * 37) % 50}%` } }))));
  else if (kind.startsWith('empty')) replace(place, empty(app));
  else if (kind === 'nothing') replace(place, h('div.notice', {}, h('h2', { text: 'Nothing matches' }), h('p', { text: 'None of the exchanges that are kept fits the filter.' }), button({ class: 'button', on: { click: () => app.filter('') } }, 'Show all')));
}

/// Where requests go: `{text, curl(path)}`.
function listenerOf(app) {
  const copy = app.status?.copy;
  const key = copy?.key_file ? ` -H "X-Squire-Key: $(cat ${quote(copy.key_file)})"` : '';
  const proxy = copy?.proxy || (app.status?.listen || []).find(l => l.startsWith('http'));
  if (proxy) return { text: proxy, curl: (options, path) => `curl ${options}${key} ${quote(proxy.replace(/\/$/, '') + path)}` };
  const socket = copy?.socket || (app.status?.listen || []).find(l => l.startsWith('unix:'))?.slice(5);
  if (socket) return { text: socket, curl: (options, path) => `curl ${options}${key} --unix-socket ${quote(socket)} http://localhost${path}` };
  return null;
}

/// `[line, words]` of lines whose comment says what they do.
function examples(app, listener) {
  const given = app.status?.copy?.examples;
  if (Array.isArray(given) && given.length) return given.map(line => { const [, command, words] = /^(.*?)(?:\s+#\s*(.*))?$/s.exec(String(line)); return [command, words || 'a request; Squire adds the token']; });
  return [[listener.curl('-i', '/'), 'a request; Squire adds the token'], [listener.curl('-I', '/'), 'the head of the answer only'], [listener.curl('-i', '/no-such-path'), 'one that fails, to see how that looks']];
}

function empty(app) {
  const listener = listenerOf(app);
  const recording = {
    off: 'Recording is off (inspector: {record: off}): exchanges are counted, none is kept.', paused: 'Recording is paused: Settings turns it on again.',
    failures: 'Only what goes wrong is recorded (inspector: {record: failures}).',
  }[app.record];
  const keep = app.status?.inspector?.keep;
  return h('div.notice.empty', {},
    h('h2', { text: 'Nothing went through yet' }),
    recording ? h('p.warn-words', { text: recording }) : null,
    listener ? [h('p', { text: 'Send something through Squire, and it is here at once:' }), app.commands(examples(app, listener))] : null,
    h('p', {}, 'Or ', h('a', { href: '#/send' }, 'send one from here'), '.'),
    h('p.quiet.small', { text: `Of each exchange the heads and the first ${size(app.status?.inspector?.body ?? 65536)} of its bodies are kept${keep ? `, ${size(keep)} in all` : ''}, in Squire’s memory only, without tokens, passwords and cookies. Nothing leaves this process.` }));
}

/// An exchange of a process that has ended.
export function gone(app, x) {
  return h('div.notice.gone', {}, h('h2', { text: `${plain(x.method)} ${plain(x.target).slice(0, 300)}` }), h('p', { text: `${x.status ?? 'No status'} · ${time(x.at)}` }), h('p', { text: 'Its details are gone with the old process: Squire was restarted.' }),
    button({ class: 'button', on: { click: () => app.close() } }, 'Back to the list'));
}

// In place of everything

/// Whether nothing else can be shown: the key is needed, or this page may not ask.
export function drawGate(place, app, feed) {
  const { kind, problem, isWrong } = app.connection;
  const isGated = ['key', 'refused'].includes(kind);
  const wanted = isGated ? kind + (problem?.detail || '') : kind === 'loading' || kind === 'lost' ? place.dataset.shown || '' : '';
  if (kind === 'key') setWrong(place, isWrong);
  if (place.dataset.shown === wanted) return wanted !== '' && place.childElementCount > 0;
  place.dataset.shown = wanted;
  if (kind === 'key') keyForm(place, feed, isWrong);
  else if (kind === 'refused') replace(place, h('section.notice', { role: 'alert' }, h('h2', { text: 'Squire refuses this page' }), h('p', { text: plain(problem.detail || problem.title || '') }), h('p.quiet', { text: setting(problem.code) }), button({ class: 'button', on: { click: () => feed.retry() } }, 'Try again')));
  else replace(place);
  return isGated;
}

function setting(code) {
  return {
    misdirected_request: 'Open it by 127.0.0.1 or localhost, or list the name in access.hosts.', forbidden_origin: 'Open it by typing its address: a page of another site may not lead here.',
  }[code] || (code ? `The reason’s code is ${code}.` : '');
}

function keyForm(place, feed, isWrong) {
  const field = h('input', { type: 'text', id: 'key', class: 'field masked', 'aria-label': 'Key', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false' });
  const wrong = h('p.bad-words', { role: 'alert' });
  replace(place, h('form', {
    class: 'notice key', 'aria-labelledby': 'key-title', on: {
      submit: event => {
        event.preventDefault();
        if (field.value) feed.open(field.value); else field.focus();
      },
    },
  }, h('h2', { id: 'key-title', text: 'The key, please' }), h('p', { text: 'This Squire has a key (access.key). It stays in the memory of this tab.' }), h('div.key-line', {}, field, h('button', { type: 'submit', class: 'button primary' }, 'Open')), wrong));
  setWrong(place, isWrong);
  setTimeout(() => field.focus());
}

function setWrong(place, isWrong) {
  const wrong = place.querySelector('.key [role=alert]');
  if (!wrong) return;
  say(wrong, isWrong ? 'That is not the key' : '');
  if (isWrong) { const field = place.querySelector('#key'); field.focus(); field.select(); }
}

// Small ones

/// Without a clipboard: the text in a field, selected.
export function showText(words) {
  const field = h('textarea.field', { rows: 6, 'aria-label': 'Text to copy', value: words });
  const dialog = h('dialog.dialog', { 'aria-labelledby': 'copy-title' }, h('h2', { id: 'copy-title', text: 'Copy this' }), h('p', { text: 'This address may not use the clipboard: press Ctrl+C.' }), field,
    h('p.buttons', {}, button({ class: 'button', on: { click: () => dialog.close() } }, 'Close')));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  field.select();
}

let titled = null;

/// `✕ 3 · Squire · host`, and an icon of the colour of the state.
export function drawTitle(app, failures) {
  const wanted = [failures, app.session?.state, !!app.session?.advice, app.isOnline, app.status?.upstream || app.hello?.upstream].join();
  if (wanted === titled) return;
  titled = wanted;
  let host = '';
  try { host = new URL(app.status?.upstream || app.hello?.upstream || '').host; } catch { host = ''; }
  const isOut = ['login_needed', 'none'].includes(app.session?.state);
  const sign = failures ? `✕ ${failures} · ` : isOut ? '! 1 · ' : '';
  const title = `${sign}Squire${host ? ` · ${plain(host)}` : ''}`;
  if (document.title !== title) document.title = title;
  const color = !app.isOnline ? '#7d8590' : isOut ? '#c93c37' : app.session?.advice ? '#b7791f' : '#3b6ea8';
  const mark = failures ? '<circle cx="25" cy="7" r="6.500" fill="#c93c37" stroke="#fff" stroke-width="1.500"/>' : '';
  const picture = `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M16 2.500 28 6v9.500C28 22.500 23 27.500 16 30 9 27.500 4 22.500 4 15.500V6z" fill="${color}"/><path d="M10 17h12m-5-5 5 5-5 5" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/>${mark}</svg>`)}`;
  const link = document.getElementById('icon');
  if (link.href !== picture) link.href = picture;
}
