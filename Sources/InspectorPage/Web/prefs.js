// What a person chose, kept in this browser: theme, columns, density, width, keys, saved filters. Nothing else is kept.

const NAME = 'squire';
const DEFAULTS = { theme: 'auto', columns: ['time', 'method', 'target', 'status', 'ms', 'gen'], compact: false, keys: true, announce: false, filters: [], detail: 0.5 };

const read = {
  theme: v => ['auto', 'light', 'dark'].includes(v) ? v : null,
  columns: v => Array.isArray(v) ? v.filter(c => typeof c === 'string').slice(0, 20) : null,
  filters: v => Array.isArray(v) ? v.filter(f => f && typeof f.name === 'string' && typeof f.q === 'string').map(({ name, q }) => ({ name: name.slice(0, 60), q: q.slice(0, 500) })).slice(0, 50) : null,
  detail: v => typeof v === 'number' && v > 0.2 && v < 0.8 ? v : null,
};

/// `{get(name), set(name, value), watch(function)}`.
export function makePrefs(storage) {
  let values = { ...DEFAULTS };
  const watchers = new Set();
  // Another page of this origin, or an older one, may have written anything.
  try {
    const stored = JSON.parse(storage.getItem(NAME) || '{}');
    for (const name of Object.keys(DEFAULTS)) {
      const value = Object.hasOwn(stored, name) ? (read[name] || (v => typeof v === 'boolean' ? v : null))(stored[name]) : null;
      if (value !== null) values[name] = value;
    }
  } catch { values = { ...DEFAULTS }; }
  return {
    get: name => values[name],
    set(name, value) {
      values = { ...values, [name]: value };
      try { storage.setItem(NAME, JSON.stringify(values)); } catch { /* A full or forbidden storage: it counts for this page. */ }
      for (const watcher of watchers) watcher(name);
    },
    watch(watcher) { watchers.add(watcher); },
  };
}
