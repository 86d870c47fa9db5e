// What the page knows of exchanges: summaries by id, in the order in which they came. Also gaps and restarts, as rows.

/// Rows that are kept; the oldest go first.
export const LIMIT = 100000;

/// A row: `{order, key, kind: 'exchange'|'gap'|'divider', x, isGone, lost, why, text}`. `order` grows from row to row
/// and never changes.
export function makeStore(limit = LIMIT) {
  let rows = [];
  let first = 0, last = 0;
  const byId = new Map();
  const watchers = new Set();

  const store = {
    run: null,
    /// Of the last change that was seen.
    seq: 0,
    get rows() { return rows; },
    get: id => byId.get(id)?.x,
    row: id => byId.get(id),
    /// Calls `watcher({added, changed, dropped, isReset})`: rows at the end, rows with new contents, rows that went.
    watch(watcher) { watchers.add(watcher); return () => watchers.delete(watcher); },

    /// New or changed summaries, ascending by seq.
    put(summaries) {
      const added = [], changed = [];
      for (const x of summaries) {
        const row = byId.get(x.id);
        if (row && !row.isGone) {
          if (x.seq >= row.x.seq) { row.x = x; changed.push(row); }
        } else {
          if (row) byId.delete(x.id);
          added.push({ kind: 'exchange', key: x.id, x, isGone: false });
        }
        if (x.seq > store.seq) store.seq = x.seq;
      }
      // What began earlier stands above, as far as what stands already allows.
      added.sort((a, b) => a.x.at < b.x.at ? -1 : a.x.at > b.x.at ? 1 : a.x.seq - b.x.seq);
      append(added, changed);
    },
    /// Older ones, above all others.
    prepend(summaries) {
      const older = summaries.filter(x => !byId.has(x.id)).map(x => ({ kind: 'exchange', key: x.id, x, isGone: false }));
      older.sort((a, b) => a.x.at < b.x.at ? -1 : a.x.at > b.x.at ? 1 : a.x.seq - b.x.seq);
      const room = older.slice(Math.max(0, older.length - Math.max(0, limit - rows.length)));
      for (let i = room.length - 1; i >= 0; i--) { room[i].order = --first; byId.set(room[i].key, room[i]); }
      rows = room.concat(rows);
      if (room.length) tell({ added: [], changed: [], dropped: [], prepended: room, isReset: false });
    },
    gap({ lost, why }) {
      const end = rows[rows.length - 1];
      if (end && end.kind === 'gap' && end.why === why) {
        end.lost += lost;
        return tell({ added: [], changed: [end], dropped: [], prepended: [], isReset: false });
      }
      append([{ kind: 'gap', key: `gap-${last}`, lost, why }], []);
    },
    divider(text) {
      append([{ kind: 'divider', key: `divider-${last}`, text }], []);
    },
    /// Another process: what is here stays as it was, without its details.
    restarted() {
      for (const row of rows) if (row.kind === 'exchange') row.isGone = true;
      store.seq = 0;
    },
    clear() {
      rows = [];
      byId.clear();
      tell({ added: [], changed: [], dropped: [], prepended: [], isReset: true });
    },
  };

  function append(added, changed) {
    for (const row of added) {
      row.order = last++;
      rows.push(row);
      if (row.kind === 'exchange') byId.set(row.key, row);
    }
    let dropped = [];
    if (rows.length > limit) {
      // More than needed: so that it is rare.
      dropped = rows.splice(0, rows.length - Math.floor(limit * 0.95));
      for (const row of dropped) if (byId.get(row.key) === row) byId.delete(row.key);
    }
    if (added.length || changed.length) tell({ added, changed, dropped, prepended: [], isReset: false });
  }

  function tell(change) {
    for (const watcher of watchers) watcher(change);
  }

  return store;
}
