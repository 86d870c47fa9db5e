// The list: only the rows in view are in the document, so ten rows and a hundred thousand cost the same. Follows the
// newest; keeps its place while rows come and go; the selection is an id.
import { isProblem } from './filter.js';
import { h, icon, paint, replace, say } from './dom.js';
import { brought } from './story.js';
import * as text from './text.js';

/// Columns with their titles, widths and what they show.
export const COLUMNS = {
  time: ['time', '62px', x => text.time(x.at)],
  method: ['method', '62px', x => text.plain(x.method)],
  target: ['target', 'minmax(110px, 1fr)', null],
  status: ['status', 'clamp(172px, 20%, 250px)', null],
  ms: ['ms', '62px', x => milliseconds(x.total_ms)],
  gen: ['gen', '44px', x => generations(x)],
  size: ['size', '68px', x => text.size(x.response_bytes)],
  upstream: ['API ms', '62px', x => milliseconds(x.upstream_ms)],
  type: ['type', '120px', x => text.plain(x.type || '')],
  id: ['id', '86px', x => x.id],
  code: ['code', '130px', x => x.code || ''],
  client: ['client', '44px', x => String(x.connection)],
};

/// What stands below the list's end, that says how many are new.
const UNDER_MORE = 46;

function milliseconds(ms) {
  if (ms === null || ms === undefined) return '';
  return ms < 1000 ? ms.toFixed(1) : text.number(Math.round(ms));
}

function generations(x) {
  const all = [...new Set(x.generations.filter(g => g))];
  return all.length > 1 ? `${all[0]}→${all[all.length - 1]}` : all.length ? String(all[0]) : '';
}

/// Ends that no code and no status tells of.
export const ends = { client_gone: 'your tool hung up', upstream_failed: 'broke off', shut_down: 'Squire was shut down' };

/// Whether what it asked the session for did not come.
const isInVain = x => !!x.token_outcome && !brought.has(x.token_outcome);

/// What the token has to do with how it went, after its status; empty if nothing.
export function tokenWords(x) {
  if (isInVain(x)) {
    if (x.token_outcome === 'login_needed') return 'a login is needed';
    return ['unavailable', 'unchanged', 'misconfigured', 'timed_out'].includes(x.token_outcome) ? 'a refresh failed' : 'not refreshed';
  }
  if (x.attempts > 1) return !x.token_outcome ? 'sent again' : x.refresh ? 'after a refresh' : 'with another token';
  if (!x.token_outcome || x.token_outcome === 'former') return '';
  return x.refresh === 'led' ? 'after a refresh' : x.refresh === 'waited' ? 'after waiting' : '';
}

/// The statuses that your tool has not seen.
function held(x) {
  const isOwn = x.status === null || ['answered', 'refused'].includes(x.outcome) || x.statuses.length < x.attempts;
  return isOwn ? x.statuses : x.statuses.slice(0, -1);
}

/// Signs of an exchange with their words, in the order in which they stand.
export function signs(x) {
  const found = [];
  if (isInVain(x)) found.push(['✕', tokenWords(x), 'failed']);
  else if (x.attempts > 1) found.push(['↻', x.refresh ? 'refreshed and sent again' : x.token_outcome ? 'sent again with another token' : 'sent again', 'again']);
  else if (x.refresh) found.push(['⧗', x.refresh === 'led' ? 'refreshed first' : 'waited for a refresh', 'waited']);
  if (x.state === 'running') found.push(['▶', 'running', 'running']);
  if (x.outcome === 'upstream_failed' || x.outcome === 'shut_down') found.push(['✕', x.code ? 'failed' : ends[x.outcome], 'failed']);
  if (x.outcome === 'client_gone') found.push(['⊣', ends.client_gone, 'left']);
  if (x.outcome === 'refused') found.push(['⊘', 'refused by Squire', 'refused']);
  if (x.origin === 'replay') found.push(['⟲', 'replay', 'replay']);
  if (x.origin === 'composer') found.push(['✎', 'from the composer', 'replay']);
  if (x.flags.includes('pinned')) found.push(['★', 'pinned', 'pinned']);
  return found;
}

/// The row's name for who hears it.
export function sentence(x) {
  const words = tokenWords(x), how = words && `${/^(after|with) /.test(words) ? ' ' : ', '}${words}`;
  return `${text.plain(x.method)} ${text.middle(text.plain(x.target), 300)}, ${x.status ?? 'no status'}${how}`
    + (x.code ? `, failed ${x.code}` : ends[x.outcome] ? `, ${ends[x.outcome]}` : '') + (x.state === 'running' ? ', running' : '')
    + `, ${Math.round(x.total_ms ?? 0)} milliseconds` + (x.generation ? `, generation ${x.generation}` : '');
}

function tone(status) {
  return status === null || status === undefined ? 'none' : status >= 500 ? 'bad' : status >= 400 ? 'warn' : status >= 300 || status < 200 ? 'info' : 'good';
}

function statusCell(x) {
  const nodes = [];
  const before = held(x);
  for (const status of before) nodes.push(h('span.status.held', { text: String(status) }), ' ');
  const [first, ...rest] = signs(x);
  const sign = ([character, words, kind]) => h('span', { class: `sign ${kind}`, title: words, text: character });
  if (before.length && first) { nodes.push(sign(first), ' '); }
  if (x.status !== null && x.status !== undefined) nodes.push(h('span', { class: `status ${tone(x.status)}`, text: String(x.status) }));
  for (const one of before.length ? rest : first ? [first, ...rest] : []) nodes.push(' ', sign(one));
  if (x.state === 'running') nodes.push(' ', h('span.quiet', { text: text.size(x.response_bytes) }));
  if (x.code) nodes.push(' ', h('span.code', { text: x.code }));
  return nodes;
}

/// `app` has view, select, open, prefs. `{element, grid, render(), select(key, {isSeen}), move(steps) …}`.
export function makeList(app) {
  const { view } = app;
  const head = h('div.row.head', { role: 'row', 'aria-rowindex': '1' });
  const rows = h('div.rows', { role: 'rowgroup' });
  const sizer = h('div.sizer', { role: 'presentation' }, rows);
  const grid = h('div.grid', { role: 'grid', 'aria-label': 'Exchanges', tabIndex: 0 }, h('div.heads', { role: 'rowgroup' }, head), sizer);
  const more = h('button.more', { type: 'button', hidden: true, on: { click: () => list.follow() } });
  const ruler = h('span.mono.ruler', { 'aria-hidden': 'true', text: '0'.repeat(100) });
  const element = h('div.list', {}, grid, more, ruler);

  let height = 28, columns = [], narrow = false, characters = 60, letter = 0;
  let following = true, placed = 0, fresh = 0, selected = null, pressed = null, pointer = null, dirty = false;
  /// Row elements by their place in the pool; `extra` is the selected one's while it is out of sight.
  const pool = [];
  const extra = makeRow();
  /// What stays where it is on the screen, by its order; and where the selected row was, which a filter may have taken.
  let anchor = null, home = null, shown = 0;
  /// The selected row is to be brought into sight as soon as there is room for it.
  let isSought = false;

  function makeRow() {
    const element = h('div.row', { role: 'row' });
    element.hidden = true;
    rows.append(element);
    return { element, cells: [], shown: null, x: null, index: -1, isSelected: false };
  }

  function measure() {
    const style = getComputedStyle(element);
    height = parseFloat(style.getPropertyValue('--row')) || 28;
    narrow = style.getPropertyValue('--narrow').trim() === '1';
    const chosen = app.prefs.get('columns').filter(name => COLUMNS[name]);
    if (!chosen.includes('target')) chosen.push('target');
    const fits = style.getPropertyValue('--hide').split(' ').filter(Boolean);
    const next = narrow ? ['method', 'target', 'status', 'ms', 'gen', 'time'] : Object.keys(COLUMNS).filter(name => chosen.includes(name) && !fits.includes(name));
    if (next.join() !== columns.join() || element.dataset.narrow !== String(narrow)) {
      columns = next;
      element.dataset.narrow = String(narrow);
      grid.setAttribute('aria-colcount', columns.length);
      paint(grid, { '--columns': columns.map(name => COLUMNS[name][1]).join(' ') });
      replace(head, columns.map((name, i) => h('span', { class: `cell c-${name}`, role: 'columnheader', 'aria-colindex': i + 1, text: COLUMNS[name][0] })));
      for (const row of [...pool, extra]) { row.cells = []; row.shown = null; row.element.textContent = ''; }
    }
    const cell = narrow ? pool.find(row => row.cells.length)?.cells[columns.indexOf('target')] : head.querySelector('.c-target');
    letter ||= ruler.getBoundingClientRect().width / 100;
    characters = Math.max(12, Math.floor((cell?.clientWidth || element.clientWidth - 190) / (letter || 7.3)));
    for (const row of [...pool, extra]) row.shown = null;
  }

  function fill(row, item, index) {
    const { element } = row;
    const isSelected = item.key === selected;
    if (row.shown === item && row.x === item.x && row.index === index && row.isSelected === isSelected && item.kind !== 'gap') return;
    if (row.index !== index || row.shown !== item) {
      row.index = index;
      paint(element, { transform: `translateY(${index * height}px)` });
      element.setAttribute('aria-rowindex', index + 2);
    }
    element.hidden = false;
    element.id = `row-${item.key}`;
    element.dataset.key = item.key;
    row.isSelected = isSelected;
    element.setAttribute('aria-selected', String(isSelected));
    const kind = item.kind !== 'exchange' ? item.kind : item.isGone ? 'gone' : item.x.state === 'running' ? 'running' : isProblem(item.x) ? 'problem' : '';
    element.className = `row ${kind}${isSelected ? ' selected' : ''}${app.marked === item.key ? ' marked' : ''}`;
    if (row.shown === item && row.x === item.x && item.kind !== 'gap') return;
    row.shown = item;
    row.x = item.x;
    if (item.kind !== 'exchange') {
      const words = item.kind === 'gap' ? gapWords(item) : item.text;
      row.cells = [];
      element.setAttribute('aria-label', words);
      replace(element, h('span.band', { role: 'gridcell', 'aria-colspan': columns.length }, h('span', { text: words })));
      return;
    }
    const { x } = item;
    element.setAttribute('aria-label', sentence(x));
    if (row.cells.length !== columns.length) {
      row.cells = columns.map((name, i) => h('span', { class: `cell c-${name}`, role: 'gridcell', 'aria-colindex': i + 1 }));
      replace(element, row.cells);
    }
    columns.forEach((name, i) => {
      const cell = row.cells[i];
      if (name === 'status') replace(cell, statusCell(x));
      else if (name === 'target') target(cell, x.target);
      else say(cell, COLUMNS[name][2](x));
    });
  }

  function target(cell, whole) {
    const shown = text.middle(whole, Math.min(characters, 2000));
    if (text.isHostile(shown)) replace(cell, text.visible(shown, { lines: false })); else say(cell, shown);
    cell.title = whole.length > shown.length ? text.middle(text.plain(whole), 2000) : '';
  }

  function gapWords(item) {
    const n = text.plural(item.lost, 'exchange'), more = text.plural(item.lost, 'more exchange');
    return { rate: `${more} were counted, not kept`, slow: `${n} went by while this page was busy`, evicted: `${n} are no longer kept` }[item.why] || `${n} are missing here`;
  }

  /// The row under the pointer, the selected one or its place, else the first.
  function findAnchor() {
    const headHeight = head.offsetHeight;
    const at = y => view.items[Math.floor((grid.scrollTop + y - headHeight) / height)];
    const placeOf = item => ({ order: item.order, top: view.indexOf(item) * height - grid.scrollTop });
    const index = indexOfSelected();
    if (index >= 0) {
      home = placeOf(view.items[index]);
      if (home.top < 0 || home.top >= grid.clientHeight - headHeight) home = null;
    } else if (home) return home;
    const item = pointer !== null && at(pointer);
    if (item) return placeOf(item);
    return home ?? (view.items.length ? placeOf(at(headHeight) ?? view.items[view.items.length - 1]) : anchor);
  }

  function indexOfSelected() {
    return selected === null ? -1 : view.indexOf(app.store.row(selected));
  }

  function scrollTo(top) {
    grid.scrollTop = top;
    placed = grid.scrollTop;
  }

  function render() {
    dirty = false;
    // Behind another view it has no place; it keeps the one that it had.
    if (!grid.clientHeight) return;
    const total = view.items.length;
    grid.setAttribute('aria-rowcount', total + 1);
    paint(sizer, { height: `${total * height}px` });
    // A shorter list scrolls by itself: that is nobody's wish.
    if (total < shown) placed = grid.scrollTop;
    shown = total;
    if (following && !view.isPaused && pressed === null) {
      scrollTo(total * height);
    } else if (isSought && indexOfSelected() >= 0 && grid.clientHeight) {
      see(indexOfSelected());
      isSought = false;
    } else if (anchor) {
      // Of one that is not shown: whoever has taken its place.
      const wanted = view.place(anchor.order) * height - anchor.top;
      if (Math.abs(grid.scrollTop - wanted) >= 1) scrollTo(wanted);
    }
    const view_ = grid.clientHeight;
    const first = Math.max(0, Math.floor(grid.scrollTop / height) - 4);
    const count = Math.min(total - first, Math.ceil(view_ / height) + 8);
    while (pool.length < count) pool.push(makeRow());
    const chosen = indexOfSelected();
    for (let i = 0; i < pool.length; i++) {
      // A row keeps its element while it is in sight.
      const offset = ((i - first) % pool.length + pool.length) % pool.length;
      const item = offset < count ? view.items[first + offset] : undefined;
      if (item) fill(pool[i], item, first + offset); else hide(pool[i]);
    }
    if (chosen >= 0 && (chosen < first || chosen >= first + count)) fill(extra, view.items[chosen], chosen); else hide(extra);
    if (chosen >= 0) grid.setAttribute('aria-activedescendant', `row-${selected}`); else grid.removeAttribute('aria-activedescendant');
    anchor = findAnchor();
    // What is in sight is not new.
    if (grid.scrollTop + view_ >= total * height + head.offsetHeight - height / 2) fresh = 0;
    const n = view.isPaused ? view.waiting : following ? 0 : fresh;
    more.hidden = n === 0;
    if (n) replace(more, icon('down'), ` ${text.number(n)} new`);
    // Where the selected row is not: that one stays where it is.
    const below = grid.scrollTop + view_ - head.offsetHeight - (chosen + 1) * height;
    more.dataset.at = chosen >= 0 && below > -height && below < UNDER_MORE ? 'top' : 'bottom';
    element.dataset.empty = String(total === 0);
  }

  function hide(row) {
    if (row.element.hidden) return;
    row.element.hidden = true;
    row.element.removeAttribute('id');
    row.shown = null;
    row.index = -1;
  }

  function schedule() {
    if (dirty) return;
    dirty = true;
    requestAnimationFrame(render);
  }

  function see(index) {
    // Below it stands how many are new.
    const room = grid.clientHeight - head.offsetHeight - Math.min(UNDER_MORE, grid.clientHeight / 4);
    const top = index * height;
    if (top < grid.scrollTop) scrollTo(top);
    else if (top + height > grid.scrollTop + room) scrollTo(top + height - room);
    anchor = null;
  }

  const list = {
    element, grid,
    get selected() { return selected; },
    get isFollowing() { return following; },
    render: schedule,
    measure() { measure(); schedule(); },
    /// Selects the row of that key; null for none. Told by the app, which knows whom else to tell.
    select(key, { isSeen = true } = {}) {
      if (key !== selected) home = null;
      selected = key;
      const index = indexOfSelected();
      if (index >= 0) {
        following = false;
        isSought = isSeen;
      }
      schedule();
    },
    /// The key of the row that many steps away from the selected one; of the newest without one.
    step(steps) {
      const items = view.items;
      if (!items.length) return null;
      const now = indexOfSelected();
      if (now < 0) return list.edge(true);
      let i = Math.max(0, Math.min(items.length - 1, now + steps));
      const way = steps < 0 ? -1 : 1;
      while (items[i] && items[i].kind !== 'exchange') i += way;
      return items[i] ? items[i].key : selected;
    },
    edge(isEnd) {
      const items = view.items;
      for (let i = isEnd ? items.length - 1 : 0; items[i]; i += isEnd ? -1 : 1) if (items[i].kind === 'exchange') return items[i].key;
      return null;
    },
    /// The next that went wrong in that direction; the newest without a selected one.
    problem(direction) {
      const items = view.items;
      const now = indexOfSelected(), way = now < 0 ? -1 : direction;
      for (let i = now < 0 ? items.length - 1 : now + way; items[i]; i += way) if (items[i].kind === 'exchange' && isProblem(items[i].x)) return items[i].key;
      return null;
    },
    get page() { return Math.max(1, Math.floor((grid.clientHeight - head.offsetHeight) / height) - 1); },
    follow() {
      following = true;
      fresh = 0;
      if (view.isPaused) app.pause(false);
      schedule();
    },
  };

  view.watch(({ arrived, changed, isReset }) => {
    if (isReset) {
      for (const row of [...pool, extra]) row.x = undefined;
      if (home) anchor = home;
    }
    if (changed.size) for (const row of [...pool, extra]) if (changed.has(row.shown)) row.x = undefined;
    if (!following) fresh += arrived;
    // Without the row that was selected, the one in its place is: nobody's focus is lost.
    if (selected !== null && !app.store.row(selected)) {
      const near = anchor && view.items[Math.min(view.place(anchor.order), view.items.length - 1)];
      app.select(near && near.kind === 'exchange' ? near.key : null);
    }
    schedule();
  });

  grid.addEventListener('scroll', () => {
    // What this file scrolls itself says nothing of a person's wish.
    if (Math.abs(grid.scrollTop - placed) >= 1) {
      placed = -1;
      isSought = false;
      following = grid.scrollTop + grid.clientHeight >= view.items.length * height + head.offsetHeight - height / 2;
      if (following) fresh = 0;
      anchor = home = null;
    }
    schedule();
  }, { passive: true });
  grid.addEventListener('pointermove', event => { pointer = event.clientY - grid.getBoundingClientRect().top; });
  grid.addEventListener('pointerleave', () => { pointer = null; });
  // While a button is down nothing moves; what was pressed is what is chosen.
  grid.addEventListener('pointerdown', event => { pressed = event.target.closest('.row')?.dataset.key ?? null; });
  addEventListener('pointerup', () => { setTimeout(() => { pressed = null; }); });
  grid.addEventListener('click', event => {
    const key = pressed ?? event.target.closest('.row')?.dataset.key;
    if (!key || !app.store.row(key)) return;
    grid.focus({ preventScroll: true });
    app.select(key, { isSeen: false });
    app.open(key);
  });
  new ResizeObserver(() => { measure(); render(); }).observe(element);
  measure();
  return list;
}
