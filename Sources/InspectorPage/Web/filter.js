// The filter: words separated by blanks, all of which must match. Parses, matches, completes, says it in words. Pure.

/// What `is:` takes, with its words.
export const STATES = {
  failed: ['failed', x => x.outcome === 'upstream_failed' || x.outcome === 'shut_down' || x.status >= 500],
  retried: ['sent again', x => x.attempts > 1],
  waited: ['waited for a refresh', x => x.refresh === 'waited'],
  refused: ['refused by Squire', x => x.outcome === 'refused'],
  running: ['running', x => x.state === 'running'],
  stream: ['stream', x => x.flags.includes('stream')],
  websocket: ['WebSocket', x => x.flags.includes('websocket')],
  replay: ['replay', x => x.origin === 'replay'],
  slow: ['slow', x => x.flags.includes('slow')],
  cut: ['cut', x => x.flags.includes('cut')],
  redacted: ['redacted', x => x.flags.includes('redacted')],
  pinned: ['pinned', x => x.flags.includes('pinned')],
};

/// What went wrong for whoever asked: what `n` and `N` go to.
export function isProblem(x) {
  return x.status >= 400 || STATES.failed[1](x) || STATES.refused[1](x);
}

const UNITS = { us: 0.001, ms: 1, s: 1000, m: 60000, min: 60000, h: 3600000, d: 86400000 };
const SIZES = { b: 1, kb: 1000, mb: 1e6, gb: 1e9, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 };
const RELATIONS = { '>=': [(a, b) => a >= b, 'at least'], '<=': [(a, b) => a <= b, 'at most'], '>': [(a, b) => a > b, 'more than'], '<': [(a, b) => a < b, 'less than'], '=': [(a, b) => a === b, ''] };

class Wrong extends Error {}

/// `>=500`: the relation and the rest.
function related(value, usual) {
  const [, sign, rest] = /^(>=|<=|>|<|=)?(.*)$/s.exec(value);
  const [test, words] = RELATIONS[sign || usual];
  return { test, words, rest };
}

function amount(value, usual, units, unit, what) {
  const { test, words, rest } = related(value, usual);
  const found = /^(\d+(?:\.\d+)?)\s*([a-zµ]*)$/i.exec(rest);
  const factor = found && (found[2] === '' ? units[unit] : units[found[2].toLowerCase().replace('µ', 'u')]);
  if (!factor) throw new Wrong(`${what}: a number and one of ${Object.keys(units).join(', ')}`);
  const limit = Number(found[1]) * factor;
  return { test: n => n !== null && n !== undefined && test(n, limit), words: `${words} ${found[1]} ${found[2] || unit}`.trim() };
}

function integer(value, what) {
  const { test, words, rest } = related(value, '=');
  if (!/^\d{1,15}$/.test(rest)) throw new Wrong(`${what} is a number`);
  return { test: n => n !== null && n !== undefined && test(n, Number(rest)), words: `${words} ${rest}`.trim() };
}

function status(value) {
  const { test, rest, words } = related(value, '=');
  const group = /^([1-5])xx$/i.exec(rest);
  if (group) {
    if (words) throw new Wrong('a group such as 4xx stands alone');
    return { test: x => x.status !== null && Math.floor(x.status / 100) === Number(group[1]), words: rest.toLowerCase() };
  }
  if (!/^[1-5]\d\d$/.test(rest)) throw new Wrong('a status: 401, 4xx, >=500');
  return { test: x => x.status !== null && test(x.status, Number(rest)), words: `${words ? 'status ' + words + ' ' : ''}${rest}` };
}

function glob(value) {
  const parts = value.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}

function path(value) {
  if (!value.startsWith('/') && !value.includes('*')) {
    const part = value.toLowerCase();
    return { test: x => x.target.split('?')[0].toLowerCase().includes(part), words: ['path', `has ${value}`] };
  }
  const whole = glob(value);
  return { test: x => whole.test(x.target.split('?')[0]), words: ['path', value] };
}

const either = read => value => {
  const all = value.split(',').map(read);
  return { test: (x, context) => all.some(one => one.test(x, context)), words: all.map(one => one.words).join(' or ') };
};
const named = (label, inner) => value => {
  const found = inner(value);
  return { test: found.test, words: [label, found.words] };
};
const has = member => value => {
  const part = value.toLowerCase();
  return { test: x => (x[member] || '').toLowerCase().includes(part), words: value };
};
const is = member => value => ({ test: x => (x[member] || '').toLowerCase() === value.toLowerCase(), words: value });
const server = kind => value => ({ server: { kind, value }, test: (x, context) => context.found.get(`${kind}:${value}`)?.has(x.id) ?? false, words: [kind === 'body' ? 'body has' : 'header', value] });

/// Each word that takes a value: what it means, and how a value is read.
export const KEYS = {
  status: ['the status your tool got', either(status)],
  method: ['the method', either(is('method'))],
  path: ['the path, * stands for anything', path],
  is: ['how it went', either(value => {
    const state = STATES[value.toLowerCase()];
    if (!state) throw new Wrong(`one of ${Object.keys(STATES).join(', ')}`);
    return { test: state[1], words: state[0] };
  })],
  gen: ['the token’s generation', named('generation', value => {
    const { test, words } = integer(value, 'a generation');
    return { test: x => x.generations.some(test), words };
  })],
  attempts: ['how often it was sent', value => {
    const { test, words } = integer(value, 'a count of attempts');
    return { test: x => test(x.attempts), words: `${words} attempts` };
  }],
  code: ['why Squire answered itself', named('code', either(is('code')))],
  took: ['how long it took', named('took', value => {
    const { test, words } = amount(value, '>=', UNITS, 'ms', 'a duration');
    return { test: x => test(x.total_ms), words };
  })],
  upstream: ['how long the API took', named('API took', value => {
    const { test, words } = amount(value, '>=', UNITS, 'ms', 'a duration');
    return { test: x => test(x.upstream_ms), words };
  })],
  size: ['octets of the answer', named('answer', value => {
    const { test, words } = amount(value, '>=', SIZES, 'b', 'a size');
    return { test: x => test(x.response_bytes), words };
  })],
  since: ['not longer ago than', value => {
    const { rest } = related(value, '=');
    const { words } = amount(rest, '=', UNITS, 'm', 'a duration');
    const [, n, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(rest);
    const span = Number(n) * (UNITS[unit.toLowerCase()] || UNITS.m);
    return { test: (x, context) => Date.parse(x.at) >= context.now() - span, words: ['the last', words] };
  }],
  id: ['the id, as in the log', named('id', value => ({ test: x => x.id === value || x.id.startsWith(value + '.'), words: value }))],
  type: ['the answer’s media type', named('type', has('type'))],
  origin: ['client, replay or composer', named('origin', is('origin'))],
  header: ['a header NAME or NAME=PART, asked of the server', server('header')],
  body: ['text in a body, asked of the server', server('body')],
};

/// Words with their places: `{from, to, raw, negated, key, value, isQuoted}`.
function split(text) {
  const words = [];
  const pattern = /(-?)([a-zA-Z]+):(?=\s|$)|(-?)(?:([a-zA-Z]+):)?("[^"]*"?|\S+)/g;
  for (const match of text.matchAll(pattern)) {
    const [raw, minus = match[3], key = match[4]] = match;
    let value = match[5] ?? '';
    const isQuoted = value.startsWith('"');
    if (isQuoted) value = value.replace(/^"|"$/g, '');
    words.push({ from: match.index, to: match.index + raw.length, raw, negated: minus === '-', key: key?.toLowerCase(), value, isQuoted });
  }
  return words;
}

/// `{words, test(x, context), describe, server, errors}`. `context`: `{now(), found}`, `found` being sets of ids by
/// `KIND:VALUE` for each of `server`. A word that is wrong says why in `error` and counts for nothing.
export function parse(text) {
  const words = split(text).map(word => {
    try { return { ...word, ...read(word) }; } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      return { ...word, error: error.message };
    }
  });
  const tests = words.filter(word => word.test);
  return {
    words,
    isEmpty: words.length === 0,
    test: (x, context) => tests.every(word => word.test(x, context) !== word.negated),
    describe: tests.map(describe).join(', '),
    server: tests.filter(word => word.server).map(word => word.server),
    errors: words.filter(word => word.error),
    isTimed: tests.some(word => word.key === 'since'),
  };
}

function read(word) {
  if (word.key && Object.hasOwn(KEYS, word.key)) {
    if (word.value === '') throw new Wrong(`${word.key}: wants ${KEYS[word.key][0]}`);
    return KEYS[word.key][1](word.value);
  }
  // A URL has a colon, too.
  if (word.key && !word.isQuoted && !word.value.startsWith('//')) throw new Wrong(`there is no ${word.key}:, but ${Object.keys(KEYS).join(', ')}`);
  const value = (word.key ? `${word.key}:` : '') + word.value;
  if (value === '') throw new Wrong('nothing to look for');
  const part = value.toLowerCase();
  return { test: x => x.target.toLowerCase().includes(part) || x.method.toLowerCase().includes(part), words: `“${value}”` };
}

function describe(word) {
  const not = word.negated ? 'not ' : '';
  return Array.isArray(word.words) ? `${word.words[0]} ${not}${word.words[1]}` : not + word.words;
}

const VALUES = {
  status: x => x.status === null ? [] : [String(x.status), `${Math.floor(x.status / 100)}xx`],
  method: x => [x.method],
  path: x => [x.target.split('?')[0]],
  is: x => Object.keys(STATES).filter(name => STATES[name][1](x)),
  gen: x => x.generations.map(String),
  attempts: x => [String(x.attempts)],
  code: x => x.code ? [x.code] : [],
  type: x => x.type ? [x.type.split(';')[0]] : [],
  origin: x => [x.origin],
  id: x => [x.id],
};

/// What the word at the caret may become: `{from, to, options: [{text, hint, count}]}`. Counts are of the last 5,000.
export function complete(text, caret, rows) {
  const before = text.slice(0, caret);
  const from = before.search(/\S*$/);
  const word = before.slice(from);
  const [, minus, key, value] = /^(-?)(?:([a-z]+):)?(.*)$/is.exec(word);
  if (!key) {
    const options = Object.entries(KEYS).filter(([name]) => name.startsWith(value.toLowerCase()))
      .map(([name, [hint]]) => ({ text: `${minus}${name}:`, hint, count: null }));
    return { from, to: caret, options: word === '' && before !== '' ? [] : options };
  }
  const values = VALUES[key.toLowerCase()];
  if (!values) return { from, to: caret, options: [] };
  const counts = new Map();
  for (const row of rows.slice(-5000)) if (row.kind === 'exchange') for (const v of values(row.x)) counts.set(v, (counts.get(v) || 0) + 1);
  if (key === 'is') for (const name of Object.keys(STATES)) if (!counts.has(name)) counts.set(name, 0);
  const options = [...counts].filter(([v]) => v.toLowerCase().includes(value.toLowerCase()) && v !== value)
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 12)
    .map(([v, count]) => ({ text: `${minus}${key}:${/\s/.test(v) ? `"${v}"` : v}`, hint: key === 'is' ? STATES[v][0] : '', count }));
  return { from, to: caret, options };
}
