// Makes the page: one store, one feed, and the views, of which the URL's fragment chooses. What a view may ask of the
// page is the object `app`.
import { exportArchive, pin, sendAgain } from './actions.js';
import * as api from './api.js';
import { composerView } from './composer.js';
import { diffView } from './diff.js';
import { button, h, icon, replace, say } from './dom.js';
import { exchangeView } from './exchange.js';
import { makeClock, makeFeed } from './feed.js';
import { isProblem } from './filter.js';
import { makeFilterBox } from './filterbox.js';
import { helpView } from './help.js';
import { listen } from './keys.js';
import { makeList } from './list.js';
import { makePrefs } from './prefs.js';
import * as routes from './route.js';
import { sessionCard } from './session.js';
import { makeSettings } from './settings.js';
import * as states from './states.js';
import { makeSplitter } from './splitter.js';
import { makeStore } from './store.js';
import { emptyGenerations, stripLine, tokensView, withGeneration } from './strip.js';
import { makeTalk } from './talk.js';
import { number, plain } from './text.js';
import { makeView } from './view.js';

const watchers = new Set();
const clock = makeClock();
const context = { now: clock.now, found: new Map() };
const store = makeStore();
const { live, toasts, announce, toast, copyText, commands } = makeTalk();

const app = {
  api, store, clock, context, prefs: makePrefs(localStorage), view: makeView(store, context), route: routes.current(),
  /// The last `/api/status`, its `session`, the feed's `hello`, its last `stats`; null before they came.
  status: null, session: null, hello: null, stats: null, generations: emptyGenerations,
  isOnline: true, connection: { kind: 'loading' }, kept: null, counted: null,
  /// What the composer begins with, once; the id that is marked for a diff.
  draft: null, marked: null,

  /// Shows what the fragment says; the filter stays unless it names one.
  go(fragment, options) { routes.show({ ...routes.parse(fragment), q: fragment.includes('?') ? routes.parse(fragment).q : app.route.q }, options); },
  /// Calls the function when status, session, hello, generations or the connection changed.
  watch(watcher) { watchers.add(watcher); return () => watchers.delete(watcher); },
  announce, toast, copyText, commands,
  openView: () => views[app.route.view],
  /// Exchanges that are known here.
  total: () => store.rows.length - others,
  setStatus, setQuery, filter: q => { filterBox.set(q); app.go('/'); app.focusList(); },
  /// Not behind another view; on a narrow screen an exchange covers it.
  isListSeen: () => ['list', 'exchange'].includes(app.route.view) && getComputedStyle(listPane).visibility === 'visible',
  focusList: () => list.grid.focus({ preventScroll: true }),
  focusFilter() {
    if (!app.isListSeen()) app.go('/');
    filterBox.input.focus();
    filterBox.input.select();
  },
  /// Selects a row and lets the open detail show it.
  select(key, options) {
    list.select(key, options);
    seen(key);
    if (app.route.view === 'exchange' && key !== null && key !== app.route.id) app.go(`/x/${encodeURIComponent(key)}/${app.route.tab}`, { replaces: true });
  },
  move: key => key !== null && (app.select(key), true),
  /// Shows an exchange beside the list.
  open(id, { tab, isFocused = false } = {}) {
    app.go(`/x/${encodeURIComponent(id)}/${tab || (app.route.view === 'exchange' ? app.route.tab : 'story')}`);
    if (isFocused) focusIn(detail);
  },
  /// Back to what lies beneath: from another view to the exchange that was open, else to the list; focus in it, or on
  /// the button of the bar that opened the view.
  close() {
    const back = opener?.getClientRects().length ? opener : null;
    if (beneath) app.open(beneath.id, { tab: beneath.tab, isFocused: !back });
    else {
      app.go('/');
      if (!back) app.focusList();
    }
    back?.focus();
  },
  toggle(view) { if (app.route.view === view) app.close(); else app.go(`/${view}`); },
  pause(isPaused = !app.view.isPaused) {
    if (isPaused === app.view.isPaused) return;
    if (isPaused) app.view.pause(); else app.view.resume();
    draw();
  },
  blur() {
    const { dataset } = document.documentElement;
    if (dataset.blur) delete dataset.blur; else dataset.blur = '1';
    toast(dataset.blur ? 'Bodies are blurred (v shows them)' : 'Bodies are shown');
  },
  /// Sends again at once what changes nothing; everything else by way of the composer.
  replay: id => store.get(id) && sendAgain(app, store.get(id)),
  pin: id => store.get(id) && pin(app, store.get(id)),
  /// The first marks, the second shows what differs.
  mark(id) {
    if (app.marked === id) { app.marked = null; toast('No longer marked'); }
    else if (app.marked && store.get(app.marked)) {
      const last = key => `${key}.${Math.max(1, store.get(key)?.attempts || 1)}`;
      const other = app.marked;
      app.marked = null;
      app.go(`/d/${encodeURIComponent(last(other))}/${encodeURIComponent(last(id))}`);
    } else { app.marked = id; toast('Marked for diff: x on another shows what differs'); }
    list.measure();
    tell();
  },
  /// The composer, filled with the sign-in.
  logIn() {
    if (refuseOffline()) return;
    const [method, target] = (app.status?.copy?.sign_in || 'POST /').split(' ');
    app.draft = { method, target, fields: [['Content-Type', 'application/json']], body: '{\n  "email": "",\n  "password": ""\n}' };
    app.go('/send');
    // It may be shown already.
    if (app.draft) views.send.update(app.route);
  },
};

let beneath = null, opener = null, others = 0, unseen = new Set(), restartedFor = null, pageHash = null, isUpdated = false, lastNews = null;

// The page's parts

const card = sessionCard(app);
const line = stripLine(app);
const list = app.list = makeList(app);
const filterBox = makeFilterBox(app);
const settings = makeSettings(app);
const notice = h('div.notice-pane', { hidden: true });
const listPane = h('section.pane', { 'aria-label': 'Traffic' }, filterBox.element, list.element, notice);
const sheet = h('div.sheet', { hidden: true });
const main = h('main', { id: 'main' }, listPane, sheet);
const detail = h('aside', { id: 'detail', 'aria-label': 'Exchange detail', hidden: true, tabIndex: -1 });
const splitter = makeSplitter(app.prefs, main);
main.append(splitter);
const alerts = h('div.alerts');
const gate = h('div.gate', { hidden: true });
const views = { exchange: exchangeView(app), send: composerView(app), diff: diffView(app), tokens: tokensView(app), help: helpView(app) };

const upstream = h('span.upstream');
const address = h('span.address');
const pulse = h('span.pulse');
const pauseButton = button({ class: 'button tool', on: { click: event => { app.pause(); if (event.detail) app.focusList(); } } });
const archiveButton = button({ class: 'button tool', 'aria-label': 'Export HAR', on: { click: () => exportArchive(app) } }, icon('down'), h('span.wide', { text: 'HAR' }));
archiveButton.title = 'Export HAR';
const themeButton = button({ class: 'icon-button tool', on: { click: () => app.prefs.set('theme', { auto: 'light', light: 'dark', dark: 'auto' }[app.prefs.get('theme')]) } });
const settingsButton = button({ class: 'icon-button tool', 'aria-label': 'Settings', title: 'Settings', on: { click: () => settings.open() } }, icon('tune'));
const helpButton = button({ class: 'icon-button tool', 'aria-label': 'Help', title: 'Help (?)', on: { click: () => app.toggle('help') } }, icon('help'));
const composeButton = button({ class: 'button tool', 'aria-label': 'Compose a request', title: 'Compose a request', on: { click: () => app.go('/send') } }, icon('edit'), h('span.wide', { text: 'Compose' }));
const banner = h('header.bar', {},
  h('a.skip', { href: '#/', on: { click: event => { event.preventDefault(); app.focusList(); } } }, 'To the list'),
  h('div.bar-line', {},
    h('a.brand', { href: '#/' }, h('img', { src: '/page/icon.svg', alt: '', width: 20, height: 20 }), h('h1', { text: 'Squire' })), h('p.where', {}, upstream, address),
    h('div.tools', {}, pulse, composeButton, pauseButton, archiveButton, themeButton, settingsButton, helpButton)),
  card.element, line.element);
document.body.append(banner, alerts, h('div.work', {}, main, detail), gate, live, toasts);

// What happens

const feed = makeFeed(store, clock, {
  state(next) {
    app.connection = next;
    const was = app.isOnline;
    app.isOnline = ['live', 'polling', 'hidden', 'loading'].includes(next.kind);
    if (!was && app.isOnline) {
      refreshGenerations();
      // What is over is not said any longer.
      for (const element of [...toasts.children]) if (element.textContent.includes('does not answer')) element.remove();
    }
    tell();
  },
  status: setStatus,
  list({ kept, counted, record }) {
    Object.assign(app, { kept, counted, record, hasList: true });
    tell();
  },
  event(name, data) {
    if (name === 'hello') {
      app.hello = data;
      app.record = data.record;
      pageHash ??= data.page;
      isUpdated ||= pageHash !== data.page;
    }
    if (name === 'session') { setSession(data); refreshSoon(); }
    if (name === 'generation') app.generations = withGeneration(app.generations, data);
    if (name === 'stats') Object.assign(app, { stats: data, kept: data.kept, counted: data.counted });
    if (name === 'gap') store.gap(data);
    if (name === 'bye') app.isEnding = true;
    if (name === 'reset') reset(data);
    tell();
  },
});

function reset({ why }) {
  if (why === 'cleared') {
    store.clear();
    unseen.clear();
    if (app.route.view === 'exchange') app.go('/');
    return;
  }
  // The list, the stream's hello and its reset may all tell of the same restart.
  if (restartedFor !== null && restartedFor === store.run) return;
  restartedFor = store.run;
  store.restarted();
  if (store.rows.length) store.divider('Squire was restarted');
  context.found.clear();
  app.generations = emptyGenerations;
  refreshGenerations();
}

function setStatus(status) {
  app.status = status;
  if (typeof status.inspector?.record === 'string') app.record = status.inspector.record;
  setSession(status.session);
  tell();
}

function setSession(session) {
  app.session = session;
  if (typeof session?.expires_at === 'number' && typeof session.expires_in === 'number') clock.nudge((session.expires_at - session.expires_in) * 1000);
}

let soon = null;
function refreshSoon() {
  clearTimeout(soon);
  soon = setTimeout(refreshGenerations, 250);
}

async function refreshGenerations() {
  const answer = await api.get('/api/generations');
  if (!answer.ok) return;
  app.generations = { ...emptyGenerations, ...answer.json };
  tell();
}

let areRowsTold = false;
/// Draws what rows change: at full speed that is all that is done each frame.
function tellRows() {
  if (areRowsTold) return;
  areRowsTold = true;
  requestAnimationFrame(() => {
    areRowsTold = false;
    filterBox.update();
    states.drawNotice(notice, app);
    states.drawTitle(app, unseen.size);
    if (lastNews) { announce(lastNews); lastNews = null; }
  });
}

let isTold = false;
/// Draws, once a frame at most.
function tell() {
  if (isTold) return;
  isTold = true;
  requestAnimationFrame(() => {
    isTold = false;
    draw();
    for (const watcher of watchers) watcher();
  });
}

store.watch(({ added, changed, dropped, isReset }) => {
  if (isReset) others = 0;
  for (const row of added) {
    if (row.kind !== 'exchange') others++;
    else if (app.hasList && row.x.state === 'done' && isProblem(row.x) && row.x.origin === 'client') unseen.add(row.key);
  }
  for (const row of changed) if (row.kind === 'exchange' && row.x.state === 'done' && isProblem(row.x) && app.hasList && row.key !== list.selected) unseen.add(row.key);
  for (const row of dropped) { if (row.kind !== 'exchange') others--; unseen.delete(row.key); }
  if (added.length && app.prefs.get('announce')) lastNews = `${number(added.length)} new`;
  // A link may be to a row that comes only now.
  if (app.route.view === 'exchange' && list.selected === null && store.row(app.route.id)) list.select(app.route.id);
  if (app.route.view === 'exchange' && changed.some(row => row.key === app.route.id)) views.exchange?.update(app.route);
  tellRows();
});
setInterval(() => { if (document.visibilityState === 'visible') filterBox.refresh(); }, 2000);

function seen(key) {
  if (unseen.delete(key)) tellRows();
}

// What is shown

function draw() {
  card.update();
  line.update();
  filterBox.update();
  const { kind } = app.connection;
  const listens = app.hello?.listen || app.status?.listen || [];
  say(upstream, plain(app.status?.upstream || app.hello?.upstream || ''));
  say(address, listens.length ? plain(listens[0]) + (listens.length > 1 ? ` +${listens.length - 1}` : '') : '');
  const rate = app.stats?.rate ? ` ${number(Math.round(app.stats.rate))}/s` : '';
  const recording = { paused: 'recording is paused', off: 'recording is off', failures: 'failures only' }[app.record];
  pulse.dataset.kind = kind;
  pulse.dataset.note = recording || '';
  say(pulse, { loading: 'connecting', live: `live${rate}`, polling: 'asking each second', hidden: 'resting', lost: 'no answer', key: 'locked', refused: 'refused' }[kind] + (recording && app.isOnline ? ` · ${recording}` : ''));
  if (pauseButton.dataset.on !== String(app.view.isPaused)) {
    const name = app.view.isPaused ? 'Resume' : 'Pause';
    replace(pauseButton, icon(app.view.isPaused ? 'play' : 'pause'), h('span.wide', { text: name }));
    pauseButton.setAttribute('aria-label', name);
    pauseButton.title = app.view.isPaused ? 'Resume the view (p)' : 'Pause the view, not the recording (p)';
    pauseButton.dataset.on = String(app.view.isPaused);
  }
  for (const [button, title] of [[archiveButton, 'Export HAR'], [composeButton, 'Compose a request']]) {
    if (app.isOnline) button.removeAttribute('aria-disabled'); else button.setAttribute('aria-disabled', 'true');
    button.title = app.isOnline ? title : `${title}: not while Squire does not answer`;
  }
  states.drawAlert(alerts, app, feed, { isUpdated });
  states.drawNotice(notice, app);
  const isGated = states.drawGate(gate, app, feed);
  gate.hidden = !isGated;
  for (const part of [main.parentNode, card.element, line.element]) part.hidden = isGated;
  if (app.route.view === 'tokens') views.tokens.update();
  list.render();
  states.drawTitle(app, unseen.size);
}

function theme() {
  const chosen = app.prefs.get('theme');
  document.documentElement.dataset.theme = chosen;
  document.querySelector('meta[name=color-scheme]').content = chosen === 'auto' ? 'light dark' : chosen;
  replace(themeButton, icon(chosen));
  themeButton.setAttribute('aria-label', `Theme: ${chosen}`);
  themeButton.title = `Theme: ${chosen}`;
  document.documentElement.dataset.compact = String(app.prefs.get('compact'));
  list.measure();
}

let before = null;
function show() {
  app.route = routes.current();
  const { view, id } = app.route;
  if (filterBox.input.value !== app.route.q && document.activeElement !== filterBox.input) filterBox.set(app.route.q, { isFromRoute: true });
  const isSheet = ['send', 'diff', 'tokens', 'help'].includes(view);
  const isSame = before && before.view === view;
  if (!isSheet) beneath = opener = null;
  else {
    if (before?.view === 'exchange') beneath = before;
    if (banner.contains(document.activeElement)) opener = document.activeElement;
  }
  sheet.hidden = !isSheet;
  listPane.hidden = isSheet;
  detail.hidden = splitter.hidden = view !== 'exchange';
  document.body.dataset.view = view;
  if (isSheet && views[view]) {
    if (views[view].element.parentNode !== sheet) replace(sheet, views[view].element);
    views[view].update(app.route);
    if (!isSame) focusIn(sheet);
  } else if (isSheet) replace(sheet);
  if (view === 'exchange') {
    const row = store.row(id);
    seen(id);
    if (list.selected !== id) list.select(row ? id : null);
    if (row?.isGone) replace(detail, states.gone(app, row.x));
    else if (views.exchange) {
      if (views.exchange.element.parentNode !== detail) replace(detail, views.exchange.element);
      views.exchange.update(app.route);
    }
  }
  before = app.route;
  list.measure();
  tell();
}

/// Focus goes where a person reads on: what asks for it, else the view itself.
function focusIn(place) {
  const element = place.querySelector('[autofocus], [data-focus]') || place.querySelector('[role=tab][aria-selected=true]') || place.querySelector('[tabindex="-1"]') || place;
  element.focus({ preventScroll: true });
}

function setQuery(q) {
  app.route = { ...app.route, q };
  routes.show(app.route, { replaces: true });
}

// Small things

function refuseOffline() {
  if (app.isOnline) return false;
  toast('Squire does not answer: nothing can be sent', 'bad');
  return true;
}

app.prefs.watch(name => { if (name === 'theme' || name === 'compact' || name === 'columns') theme(); });
addEventListener('hashchange', show);
addEventListener('popstate', show);
listen(app);
theme();
filterBox.set(app.route.q, { isFromRoute: true });
show();
draw();
refreshGenerations();
feed.start();
states.watchLoading(app, tell);
