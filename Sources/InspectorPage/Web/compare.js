// What differs between two lists of lines, two sets of fields, two bodies. Pure.
import { hexRows } from './hex.js';
import { parseJSON, prettyLines } from './json.js';
import { bodyOctets, utf8 } from './octets.js';

/// More is not compared: nobody reads it, and the page would stand still.
export const bounds = { lines: 4000, edits: 2000 };

/// The shortest way from one list of lines to the other (Myers, "An O(ND) difference algorithm", 1986):
/// `[{what: 'equal' | 'removed' | 'added', left, right}]` with the lines' indexes, or null beyond the bounds.
export function difference(left, right, { lines, edits } = bounds) {
  let start = 0, end = 0;
  const shorter = Math.min(left.length, right.length);
  while (start < shorter && left[start] === right[start]) start += 1;
  while (end < shorter - start && left[left.length - 1 - end] === right[right.length - 1 - end]) end += 1;
  const n = left.length - start - end, m = right.length - start - end;
  if (Math.max(n, m) > lines) return null;
  const middle = n === 0 || m === 0
    ? [...Array(n).fill('removed'), ...Array(m).fill('added')] : shortest(left, right, start, n, m, edits);
  if (!middle || n + m > 0 && middle.filter(what => what !== 'equal').length > edits) return null;
  const way = [...Array(start).fill('equal'), ...middle, ...Array(end).fill('equal')];
  let x = 0, y = 0;
  return way.map(what => {
    const step = { what, left: what === 'added' ? null : x, right: what === 'removed' ? null : y };
    if (what !== 'added') x += 1;
    if (what !== 'removed') y += 1;
    return step;
  });
}

function shortest(left, right, start, n, m, edits) {
  const most = Math.min(n + m, edits), trace = [];
  let furthest = new Int32Array(2 * most + 3);
  const middle = most + 1;
  for (let d = 0; d <= most; d += 1) {
    trace.push(furthest.slice(middle - d - 1, middle + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || k !== d && furthest[middle + k - 1] < furthest[middle + k + 1];
      let x = isDown ? furthest[middle + k + 1] : furthest[middle + k - 1] + 1, y = x - k;
      while (x < n && y < m && left[start + x] === right[start + y]) {
        x += 1;
        y += 1;
      }
      furthest[middle + k] = x;
      if (x >= n && y >= m) return back(trace, n, m);
    }
  }
  return null;
}

/// Walks from the end to the beginning over what each number of edits had reached.
function back(trace, n, m) {
  const way = [];
  let x = n, y = m;
  for (let d = trace.length - 1; d >= 0; d -= 1) {
    const reached = k => trace[d][k + d + 1], k = x - y;
    const isDown = k === -d || k !== d && reached(k - 1) < reached(k + 1);
    const from = isDown ? k + 1 : k - 1, fromX = d === 0 ? 0 : reached(from), fromY = d === 0 ? 0 : fromX - from;
    // Where the edit of this step ended; what follows it is equal.
    const afterX = d === 0 ? 0 : isDown ? fromX : fromX + 1;
    for (; x > afterX; x -= 1) way.push('equal');
    if (d === 0) break;
    way.push(isDown ? 'added' : 'removed');
    x = fromX;
    y = fromY;
  }
  return way.reverse();
}

/// Fields as sets by name: what one has more than once is compared as a list. Names in the order they came.
export function fieldDifference(left, right) {
  const names = new Map();
  const add = (fields, side) => {
    for (const [name, value] of fields) {
      const key = name.toLowerCase();
      if (!names.has(key)) names.set(key, { name, left: [], right: [] });
      names.get(key)[side].push(value);
    }
  };
  add(left, 'left');
  add(right, 'right');
  return [...names.values()].map(entry => ({
    ...entry,
    what: entry.left.length === 0 ? 'added' : entry.right.length === 0 ? 'removed'
      : same(entry.left, entry.right) ? 'equal' : 'changed',
  }));
}

const same = (left, right) => left.length === right.length && left.every((value, i) => value === right[i]);

/// The two bodies as lines of the same kind: JSON if both are, else text if both are, else octets.
export function bodyLines(left, right) {
  const octets = [left, right].map(bodyOctets), texts = octets.map(utf8);
  if (texts.some(text => text === null)) return { kind: 'octets', sides: octets.map(bytes => hexRows(bytes)) };
  const read = texts.map(text => (text === '' ? null : parseJSON(text)));
  if (read.some(Boolean) && read.every(result => result === null || result.problem === null)) {
    return { kind: 'JSON', sides: read.map(result => (result ? prettyLines(result.root) : [])) };
  }
  return { kind: 'text', sides: texts.map(text => (text === '' ? [] : text.split('\n'))) };
}

/// Groups steps: runs of equal ones longer than twice the context become one fold.
export function folded(steps, context = 3) {
  const groups = [];
  for (let i = 0; i < steps.length;) {
    let end = i;
    const isEqual = steps[i].what === 'equal';
    while (end < steps.length && (steps[end].what === 'equal') === isEqual) end += 1;
    const run = steps.slice(i, end);
    const head = i === 0 ? 0 : context, tail = end === steps.length ? 0 : context;
    if (isEqual && run.length > head + tail + 1) {
      if (head) groups.push({ steps: run.slice(0, head) });
      groups.push({ steps: run.slice(head, run.length - tail), isFold: true });
      if (tail) groups.push({ steps: run.slice(run.length - tail) });
    } else groups.push({ steps: run });
    i = end;
  }
  return groups;
}
