// What comes from outside as text that shows what is in it, and sizes, times and durations as people write them.
import { h } from './dom.js';

// What is drawn as nothing, or changes how other text is drawn: C0 but tab and line feed, DEL, C1, soft hyphen, bidi
// controls, zero widths and joiners, fillers, separators, tags, interlinear marks, a byte order mark, lone surrogates.
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\u{e0000}-\u{e0fff}]|\p{Surrogate}/gu;

const NAMES = { '\r': 'CR', '\u001b': 'ESC', '\u0000': 'NUL', '\u0007': 'BEL', '\u0008': 'BS', '\u00ad': 'SHY', '\u200b': 'ZWSP', '\u200c': 'ZWNJ', '\u200d': 'ZWJ', '\ufeff': 'BOM' };

function label(character) {
  const code = character.codePointAt(0);
  if (code < 0x20 && NAMES[character]) return `[${NAMES[character]}]`;
  return `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`;
}

function mark(character) {
  const code = character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');
  const name = NAMES[character];
  return h('span.mark', { title: name ? `U+${code} ${name}` : `U+${code}` }, label(character));
}

/// The text as nodes: what cannot be seen, or turns other text round, is a labelled mark. `lines`: a line feed is one.
export function visible(text, { lines = true } = {}) {
  const nodes = [];
  let from = 0;
  for (const match of String(text).matchAll(INVISIBLE)) {
    if (match.index > from) nodes.push(document.createTextNode(text.slice(from, match.index)));
    // The line feed that follows ends the line.
    if (match[0] === '\r' && lines && text[match.index + 1] === '\n') { from = match.index + 1; continue; }
    nodes.push(mark(match[0]));
    from = match.index + match[0].length;
  }
  if (from < text.length) nodes.push(document.createTextNode(text.slice(from)));
  return nodes;
}

/// The same as plain text, for names and titles.
export function plain(text) {
  return String(text).replace(INVISIBLE, label).replace(/[\t\n]/g, ' ');
}

/// Whether something in it does not show.
export function isHostile(text) {
  return text.search(INVISIBLE) >= 0;
}

const count = new Intl.NumberFormat('en-GB');

export function number(n) {
  return count.format(n);
}

export function plural(n, one, many = one + 's') {
  return `${number(n)} ${n === 1 ? one : many}`;
}

/// Octets: `318 B`, `1.2 KiB`, `64 KiB`.
export function size(n) {
  if (n === null || n === undefined) return '\u2013';
  if (n < 1024) return `${n} B`;
  let unit = -1;
  do { n /= 1024; unit++; } while (n >= 1023.95 && unit < 4);
  return `${n < 99.95 ? n.toFixed(1).replace('.0', '') : Math.round(n)} ${['KiB', 'MiB', 'GiB', 'TiB', 'PiB'][unit]}`;
}

/// Milliseconds: `0.3 ms`, `231.4 ms`, `2.31 s`, `39.40 s`, `4 min 12 s`.
export function duration(ms) {
  if (ms === null || ms === undefined) return '\u2013';
  if (ms < 999.95) return `${ms.toFixed(1)} ms`;
  if (ms < 59995) return `${(ms / 1000).toFixed(2)} s`;
  return span(ms / 1000);
}

/// Seconds in two units at most: `41 min 12 s`, `2 h 5 min`, `3 d 4 h`.
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const parts = s < 60 ? [[s, 's']] : s < 3600 ? [[Math.floor(s / 60), 'min'], [s % 60, 's']]
    : s < 86400 ? [[Math.floor(s / 3600), 'h'], [Math.floor(s % 3600 / 60), 'min']]
    : [[Math.floor(s / 86400), 'd'], [Math.floor(s % 86400 / 3600), 'h']];
  return parts.filter(([n], i) => i === 0 || n > 0).map(([n, unit]) => `${n} ${unit}`).join(' ');
}

/// Seconds left: `41:12`, `2:05:00`.
export function countdown(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = n => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  if (hours >= 48) return span(s);
  return hours ? `${hours}:${two(Math.floor(s % 3600 / 60))}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

function local(at) {
  const date = new Date(typeof at === 'number' ? at : Date.parse(at));
  return isNaN(date) ? null : date;
}

/// A moment, RFC 3339 or milliseconds, as this machine's time of day: `10:12:40`, with `ms` `10:12:40.004`.
export function time(at, { ms = false } = {}) {
  const date = local(at);
  if (!date) return '\u2013';
  const two = n => String(n).padStart(2, '0');
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return ms ? `${text}.${String(date.getMilliseconds()).padStart(3, '0')}` : text;
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/// With its day: `26 Nov 09:40`.
export function day(at) {
  const date = local(at);
  if (!date) return '\u2013';
  return `${date.getDate()} ${MONTHS[date.getMonth()]} ${time(date.getTime()).slice(0, 5)}`;
}

/// At most `n` characters, the middle left out.
export function middle(text, n) {
  if (text.length <= n) return text;
  const head = Math.ceil((n - 1) * 0.6);
  return `${text.slice(0, head)}\u2026${text.slice(text.length - (n - 1 - head))}`;
}
