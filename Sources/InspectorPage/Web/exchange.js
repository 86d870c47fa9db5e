// One exchange: what it is, what can be done with it, and its tabs.
import { closeButton, compose, copyOut, pin, sendAgain } from './actions.js';
import { copyMenu } from './copymenu.js';
import { button, h, icon, replace } from './dom.js';
import { makeExplain } from './explain.js';
import { makeHeaders } from './headers.js';
import { makeMessages } from './messages.js';
import { makeRaw, makeRequest, makeResponse } from './sides.js';
import { ends, tokenWords } from './list.js';
import { makeStory } from './story.js';
import { duration, plain, size, span, time, visible } from './text.js';
import { address, place } from './panes.js';

const tabs = [
  ['story', 'Story', makeStory], ['request', 'Request', makeRequest], ['response', 'Response', makeResponse],
  ['headers', 'Headers', makeHeaders], ['explain', 'Explain', makeExplain], ['raw', 'Raw', makeRaw],
  ['messages', 'Messages', makeMessages],
];

const hasMessages = x => x.flags?.includes('stream') || x.flags?.includes('websocket') || (x.messages?.length ?? 0) > 0;

/// How it ended, in words: `201 after a refresh`.
export function statusText(x) {
  const parts = [x.status ?? (x.state === 'running' ? 'running' : 'no answer')];
  const how = tokenWords(x);
  if (how && how !== 'a login is needed') parts.push(how);
  if (x.state === 'running' && x.status) parts.push('· running');
  const end = x.code ?? ends[x.outcome];
  if (end) parts.push(`· ${end}`);
  return parts.filter(Boolean).join(' ');
}

export function statusClass(x) {
  if (x.state === 'running') return 'is-running';
  if (!x.status || x.status >= 400 || x.outcome === 'upstream_failed') return 'is-bad';
  return x.status >= 300 ? 'is-other' : 'is-good';
}

/// The tabs of an exchange and what they show. `onTab(tab)` is told what a person chose. `update(exchange, tab)`.
export function makeTabs(app, onTab) {
  const list = h('div.tabs', { role: 'tablist', 'aria-label': 'Exchange' });
  const panel = h('div.tab-panel', { role: 'tabpanel', id: 'exchange-panel', tabIndex: 0 });
  const element = h('div.tabbed', {}, list, panel);
  let id = null, views = new Map(), exchange = null, current = 'story';

  const context = {
    app,
    copy: (text, what) => copyOut(app, text, what),
    differ: () => differ(),
    show(tab, attempt) {
      view(tab).choose?.(attempt ?? null);
      onTab(tab);
      focus();
    },
  };

  const focus = () => list.querySelector('[aria-selected="true"]')?.focus();
  const names = () => tabs.filter(([name]) => name !== 'messages' || hasMessages(exchange));

  function view(name) {
    if (!views.has(name)) views.set(name, tabs.find(([tab]) => tab === name)[2](context, exchange));
    return views.get(name);
  }

  function update(x, tab) {
    if (x.id !== id) {
      id = x.id;
      views = new Map();
    }
    exchange = x;
    const all = names(), isNew = all.length !== list.children.length;
    current = all.some(([name]) => name === tab) ? tab : 'story';
    if (isNew) {
      replace(list, all.map(([name, title], i) => button({
        role: 'tab', id: `tab-${name}`, 'aria-controls': 'exchange-panel', 'data-tab': name,
        title: `${title} (${i + 1})`, on: { click: () => onTab(name) },
      }, title)));
    }
    for (const item of list.children) {
      const isCurrent = item.dataset.tab === current;
      item.setAttribute('aria-selected', String(isCurrent));
      item.tabIndex = isCurrent ? 0 : -1;
      if (isCurrent && item.offsetLeft + item.offsetWidth > list.clientWidth) item.scrollIntoView({ block: 'nearest', inline: 'end' });
    }
    panel.setAttribute('aria-labelledby', `tab-${current}`);
    const shown = view(current);
    shown.update(x);
    if (panel.firstChild !== shown.element || panel.childNodes.length !== 1) {
      replace(panel, shown.element);
      panel.scrollTop = 0;
    }
  }

  list.addEventListener('keydown', event => {
    const all = [...list.children], at = all.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    // Left is also the way back to the list.
    event.stopPropagation();
    onTab(all[to % all.length].dataset.tab);
    focus();
  });

  function differ() {
    const numbers = (exchange?.attempt_list ?? []).map(attempt => attempt.n);
    if (numbers.length < 2) {
      app.toast('There was only one attempt: mark two rows with x to compare them.');
      return;
    }
    const name = n => encodeURIComponent(`${exchange.id}.${n}`);
    app.go(`#/d/${name(numbers.at(-2))}/${name(numbers.at(-1))}`);
  }

  return { element, update, differ, focus, tabAt: n => names()[n]?.[0] };
}

/// The view of an exchange. `update({id, tab})`, `key(event)` which tells whether it was one of its own, `focus()`.
export function exchangeView(app) {
  const title = h('h2.exchange-title'), facts = h('p.facts-line');
  const notice = h('div', { role: 'status', class: 'notice-place' });
  const again = button({ on: { click: () => sendAgain(app, exchange) } }, icon('refresh'), 'Send again');
  const edit = button({ title: 'Edit in the composer (e)', on: { click: () => compose(app, exchange) } }, icon('edit'), 'Edit');
  const copy = copyMenu(app, () => exchange);
  const pinned = button({ title: 'Keep it from being evicted (b)', on: { click: togglePin } }, icon('star'), 'Pin');
  const compared = button({ on: { click: () => app.mark(id) } }, icon('compare'), 'Compare');
  const head = h('header.exchange-head', {}, h('div.title-line', {}, title, closeButton(app)), facts,
    h('div.deeds', {}, again, edit, copy.element, pinned, compared));
  const tabbed = makeTabs(app, tab => app.go(`#/x/${encodeURIComponent(id)}/${tab}`));
  const element = h('div.dv.exchange');
  let id = null, tab = 'story', exchange = null, loading = null, wanted = 0, pressed = null, status = null;

  function update(state) {
    tab = state.tab ?? 'story';
    if (state.id === id && exchange) return show();
    if (state.id === id && loading) return undefined;
    id = state.id;
    exchange = null;
    pressed = null;
    return load();
  }

  async function load() {
    loading?.abort();
    const mine = loading = new AbortController(), asked = id;
    const skeleton = exchange ? null : setTimeout(() => replace(element, h('div.skeleton-detail', { role: 'status' },
      h('span.unseen', {}, 'Loading'), h('i'), h('i'), h('i'))), 150);
    let answer;
    try {
      answer = await app.api.get(address(asked), { signal: mine.signal });
    } catch {
      return;
    } finally {
      clearTimeout(skeleton);
    }
    if (loading !== mine) return;
    loading = null;
    if (answer.ok) {
      exchange = answer.json;
      replace(notice);
      show();
      if (pressed) key({ key: pressed });
      pressed = null;
      // It may have changed while it was asked for.
      if (wanted > exchange.seq) load();
    } else if (exchange) {
      // What is on the screen stays there.
      if (answer.status === 404) replace(notice, h('p.notice-line', {}, 'No longer kept: this is what was here before.'));
    } else missing(answer);
  }

  function show() {
    if (element.firstChild !== head) replace(element, head, notice, tabbed.element);
    drawHead();
    tabbed.update(exchange, tab);
  }

  function drawHead() {
    const x = exchange;
    const key = JSON.stringify([x.id, x.method, x.target]);
    if (title.dataset.key !== key) {
      title.dataset.key = key;
      replace(title, h('span.method', {}, visible(x.method)), ' ', h('span.target', {}, visible(x.target)));
    }
    replace(facts, h('span', { class: `status ${statusClass(x)}` }, visible(statusText(x))),
      [x.id, time(x.at, { ms: true }), x.total_ms === null ? null : duration(x.total_ms),
        `${size(x.request_bytes ?? 0)} up, ${size(x.response_bytes ?? 0)} down`,
        x.generations?.length > 1 ? `generation ${x.generations.join('→')}` : x.generation ? `generation ${x.generation}` : 'no token',
        x.route && x.route !== 'ordinary' && x.route !== 'none' ? x.route.replace('_', '-') : null]
        .filter(Boolean).map(text => h('span', {}, visible(text))),
      x.origin === 'replay' && h('span', {}, 'sent again', x.replay_of
        && [' from ', h('a', { href: place(x.replay_of) }, visible(x.replay_of))]),
      x.origin === 'composer' && h('span', {}, 'written here'));
    const isPinned = x.flags?.includes('pinned') ?? false;
    pinned.setAttribute('aria-pressed', String(isPinned));
    compared.setAttribute('aria-pressed', String(app.marked === x.id));
    compared.title = app.marked && app.marked !== x.id ? `What differs from ${app.marked} (x)` : 'Mark it, then another: what differs (x)';
    const isRunning = x.state === 'running', isSocket = x.flags?.includes('websocket');
    // Squire turned it away before it knew where to: from here it would pass.
    const isRefused = x.route === 'none' && Boolean(x.code);
    again.disabled = app.isOnline === false || isRunning || isSocket || isRefused;
    again.title = app.isOnline === false ? 'Squire does not answer' : isRunning ? 'It is still running'
      : isSocket ? 'A WebSocket cannot be sent again'
      : isRefused ? 'Squire refused it: edit it to send it as a request of your own' : 'Send again under the token of now (r)';
    pinned.disabled = app.isOnline === false;
  }

  async function missing(answer) {
    const asked = id, row = app.store.row(asked), problem = answer.problem ?? {};
    const say = (heading, ...text) => replace(element, h('div.empty-detail', { role: 'status' }, h('h2', {}, heading), text,
      button({ on: { click: () => app.close() } }, 'Back to the list')));
    if (answer.status === 0) return say('Squire does not answer', h('p', {}, 'It is asked again as soon as it does.'));
    if (row?.isGone) return say('Gone with the old process',
      h('p', {}, 'Squire was restarted; nothing of what it had recorded is on disk.'));
    if (problem.code === 'not_found') return say('No such exchange',
      h('p', {}, 'This Squire has given no exchange the name ', h('code', {}, visible(asked)), '.'));
    if (problem.code !== 'evicted') return say('Not shown', h('p', {}, visible(problem.detail ?? '')));
    const keep = app.status?.inspector?.keep;
    const held = await app.api.get('/api/exchanges?after=0&limit=1');
    if (asked !== id || exchange) return undefined;
    const oldest = Date.parse(held.json?.exchanges?.[0]?.at ?? ''), now = Date.parse(app.hello?.now ?? '') || Date.now();
    const reach = keep && oldest ? ` ${size(keep)} hold about ${span(Math.max(1, (now - oldest) / 1000))} at this rate.` : '';
    return say('No longer kept', h('p', {}, `It made room for newer ones, was cleared, or was counted but not recorded.${reach}`),
      h('p', {}, 'To keep more: ', h('code', {}, 'inspector: {keep: 64MiB}'), ' in the configuration; to keep one, pin it (b).'));
  }

  async function togglePin() {
    const x = exchange, isPinned = await pin(app, x);
    x.flags = (x.flags ?? []).filter(flag => flag !== 'pinned');
    if (isPinned) x.flags.push('pinned');
    if (x === exchange) drawHead();
  }

  app.store.watch(({ added, changed }) => {
    if (id === null || !element.isConnected) return;
    for (const row of [...changed ?? [], ...added ?? []]) {
      if (row.x?.id !== id || row.x.seq <= (exchange?.seq ?? -1)) continue;
      wanted = row.x.seq;
      if (!loading) load();
    }
  });
  app.watch(() => {
    if (!element.isConnected || id === null) return;
    if (exchange && status !== app.status) {
      // What it says of keys and places is shown in the tabs.
      status = app.status;
      show();
    } else if (exchange) drawHead();
    else if (app.isOnline !== false && !loading) load();
  });

  function key(event) {
    const n = /^[1-7]$/.test(event.key) ? Number(event.key) - 1 : null;
    if (event.ctrlKey || event.altKey || event.metaKey) return false;
    if (!exchange) {
      // Pressed while it is fetched: meant for what comes.
      if (loading && /^[1-7dc]$/.test(event.key)) pressed = event.key;
      return pressed !== null;
    }
    if (n !== null) {
      const name = tabbed.tabAt(n);
      if (name) app.go(`#/x/${encodeURIComponent(id)}/${name}`);
      return true;
    }
    const act = {
      d: tabbed.differ, c: copy.open, e: () => compose(app, exchange), b: togglePin,
      r: () => (again.disabled ? app.toast(`Not sent: ${plain(again.title)}.`) : sendAgain(app, exchange)),
    }[event.key];
    if (!act) return false;
    act();
    return true;
  }

  return { element, update, key, focus: () => tabbed.focus(), openCopy: () => copy.open() };
}
