// The rows that the list shows: those of the store that the filter lets through, in the store's order. Pure.
import { parse } from './filter.js';

/// `{items, setFilter(text), pause(), resume(), indexOf(row), watch(function)}`.
export function makeView(store, context) {
  let items = [];
  let filter = parse('');
  let isPaused = false;
  const watchers = new Set();
  /// Exchanges that came while the view was paused, and would be shown.
  let waiting = 0;
  let exchanges = 0;

  const fits = row => row.kind === 'exchange' ? filter.test(row.x, context) : filter.isEmpty;

  /// The place of the first row whose order is not less.
  function place(order) {
    let low = 0, high = items.length;
    while (low < high) {
      const half = (low + high) >> 1;
      if (items[half].order < order) low = half + 1; else high = half;
    }
    return low;
  }

  function indexOf(row) {
    if (!row) return -1;
    const i = place(row.order);
    return items[i] === row ? i : -1;
  }

  function rebuild() {
    items = store.rows.filter(fits);
    exchanges = items.reduce((n, row) => n + (row.kind === 'exchange'), 0);
    waiting = 0;
  }

  function take(row) {
    const i = place(row.order);
    if (items[i] === row) return;
    if (i === items.length) items.push(row); else items.splice(i, 0, row);
    if (row.kind === 'exchange') exchanges++;
  }

  function give(row) {
    const i = indexOf(row);
    if (i < 0) return;
    items.splice(i, 1);
    if (row.kind === 'exchange') exchanges--;
  }

  function change({ added, changed, dropped, prepended, isReset }) {
    if (isReset) {
      rebuild();
      return tell({ arrived: 0, changed: new Set(), isReset: true });
    }
    if (dropped.length) {
      // They are the oldest: a beginning of what is shown.
      const last = dropped[dropped.length - 1].order;
      const count = place(last + 1);
      exchanges -= items.slice(0, count).reduce((n, row) => n + (row.kind === 'exchange'), 0);
      items.splice(0, count);
    }
    if (prepended.length) {
      const fitting = prepended.filter(fits);
      items = fitting.concat(items);
      exchanges += fitting.length;
    }
    let arrived = 0;
    const changes = new Set(changed);
    if (isPaused) {
      for (const row of added) if (row.kind === 'exchange' && fits(row)) waiting++;
    } else {
      for (const row of added) if (fits(row)) { take(row); if (row.kind === 'exchange') arrived++; }
      for (const row of changed) if (fits(row)) take(row); else give(row);
    }
    tell({ arrived, changed: changes, isReset: false });
  }

  function tell(news) {
    for (const watcher of watchers) watcher(news);
  }

  store.watch(change);
  rebuild();

  return {
    get items() { return items; },
    get filter() { return filter; },
    get isPaused() { return isPaused; },
    /// Exchanges among the items, and those that wait for the end of a pause.
    get exchanges() { return exchanges; },
    get waiting() { return waiting; },
    indexOf,
    place,
    setFilter(text) {
      filter = parse(text);
      rebuild();
      tell({ arrived: 0, changed: new Set(), isReset: true });
    },
    /// Judges all rows anew: what the server found has come, or time has passed.
    refilter() {
      const before = items.length;
      rebuild();
      tell({ arrived: Math.max(0, items.length - before), changed: new Set(), isReset: true });
    },
    pause() { isPaused = true; tell({ arrived: 0, changed: new Set(), isReset: false }); },
    resume() {
      isPaused = false;
      const before = exchanges;
      rebuild();
      tell({ arrived: Math.max(0, exchanges - before), changed: new Set(), isReset: true });
    },
    watch(watcher) { watchers.add(watcher); },
  };
}
