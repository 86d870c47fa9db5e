// Makes the page: one store, one feed, and the views, of which the URL's fragment chooses.
import * as api from './api.js';
import * as composer from './composer.js';
import * as diff from './diff.js';
import { h, replace, say } from './dom.js';
import * as exchange from './exchange.js';
import { makePrefs } from './prefs.js';
import * as routes from './route.js';
import { makeStore } from './store.js';
import { plain } from './text.js';

const watchers = new Set();
const live = h('p', { class: 'unseen', 'aria-live': 'polite' });
const toasts = h('div', { class: 'toasts', role: 'log', 'aria-label': 'Messages' });

const app = {
  api, store: makeStore(), prefs: makePrefs(localStorage), route: routes.current(),
  /// The last `/api/status`, its `session`, the feed's `hello`; null before they came.
  status: null, session: null, hello: null, isOnline: true,
  go: fragment => routes.show({ q: app.route.q, ...routes.parse(fragment) }),
  announce: text => say(live, text),
  toast(text) { toasts.append(h('p', { text })); },
  /// Calls the function when status, session, hello or isOnline changed.
  watch(watcher) { watchers.add(watcher); return () => watchers.delete(watcher); },
};

const views = { exchange: exchange.exchangeView?.(app), send: composer.composerView?.(app), diff: diff.diffView?.(app) };
const list = h('ol', { class: 'plain' });
const main = h('main', { id: 'main' }, list);
const detail = h('aside', { id: 'detail', 'aria-label': 'Exchange detail', hidden: true });
document.body.append(h('header', {}, h('h1', { text: 'Squire' })), main, detail, live, toasts);

function route() {
  app.route = routes.current();
  const view = views[app.route.view];
  detail.hidden = !view;
  if (!view) return;
  if (view.element.parentNode !== detail) replace(detail, view.element);
  view.update(app.route);
}

addEventListener('hashchange', route);
addEventListener('keydown', event => {
  if (event.ctrlKey || event.altKey || event.metaKey || /INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) return;
  if (views[app.route.view]?.key?.(event)) event.preventDefault();
});

app.store.watch(() => replace(list, app.store.rows.map(({ x }) => h('li', {}, h('a', { href: `#/x/${x.id}/story` }, `${x.method} ${plain(x.target)} ${x.status}`)))));
Promise.all([api.get('/api/status'), api.get('/api/exchanges?limit=60')]).then(([status, exchanges]) => {
  app.status = status.json;
  app.session = status.json?.session;
  app.store.run = exchanges.json?.run;
  app.store.put(exchanges.json?.exchanges || []);
  for (const watcher of watchers) watcher();
  route();
});
