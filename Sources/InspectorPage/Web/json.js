// A JSON reader that loses nothing (RFC 8259): the text of every number and string, the order of members and their
// duplicates. No object is made from what it reads, so no name means anything. Pure; without recursion.

const blank = /[ \t\n\r]*/y;
// As far as a string goes that does not end, or has what none may have.
const begun = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*/y;
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"/y;
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const word = /true|false|null/y;

/// Reads a text. `root` is null if there is no value at all; with a `problem` it is what was read until there.
///
/// A node is `{kind: 'object', members: [{key, isDuplicate, value}]}`, `{kind: 'array', items}` or
/// `{kind: 'string' | 'number' | 'literal', raw}`; `key` and `raw` are as they stand in the text.
export function parseJSON(text) {
  let at = 0, root = null;
  const open = [];
  const take = pattern => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found) at += found.length;
    return found;
  };
  const problem = what => ({ root, problem: place(text, at, what) });
  const scalar = () => {
    let raw;
    if ((raw = take(string))) return { kind: 'string', raw };
    if ((raw = take(number))) return { kind: 'number', raw };
    if ((raw = take(word))) return { kind: 'literal', raw };
    return null;
  };
  for (;;) {
    take(blank);
    const container = open.at(-1);
    let key = null;
    if (container) {
      const isObject = container.kind === 'object', list = isObject ? container.members : container.items;
      if (text[at] === (isObject ? '}' : ']') && !container.wantsMore) {
        at += 1;
        open.pop();
        finish(container);
        if (open.length === 0) break;
        if (!separate(open.at(-1))) return ended(`"," or "${open.at(-1).kind === 'object' ? '}' : ']'}"`);
        continue;
      }
      if (isObject) {
        key = take(string);
        if (!key) return ended(list.length || container.wantsMore ? 'a name in quotes' : 'a name in quotes or "}"');
        take(blank);
        if (text[at] !== ':') return ended('":"');
        at += 1;
        take(blank);
      }
    }
    let node;
    if (text[at] === '{') node = { kind: 'object', members: [], isOpen: false, wantsMore: false };
    else if (text[at] === '[') node = { kind: 'array', items: [], isOpen: false, wantsMore: false };
    else node = scalar();
    if (!node) return ended(container?.kind === 'array' && !container.wantsMore ? 'a value or "]"' : 'a value');
    if (container) container.wantsMore = false;
    if (container?.kind === 'object') container.members.push({ key, isDuplicate: false, value: node });
    else if (container) container.items.push(node);
    else root = node;
    if (node.kind === 'object' || node.kind === 'array') {
      at += 1;
      open.push(node);
    } else if (open.length === 0) break;
    else if (!separate(container)) return ended(`"," or "${container.kind === 'object' ? '}' : ']'}"`);
  }
  take(blank);
  return at < text.length ? problem('nothing more') : { root, problem: null };

  /// Goes over a comma, or stops before the bracket that closes.
  function separate(container) {
    take(blank);
    if (text[at] === ',') {
      at += 1;
      container.wantsMore = true;
      return true;
    }
    return text[at] === (container.kind === 'object' ? '}' : ']');
  }
  function ended(wanted) {
    for (const container of open) finish(container, true);
    return problem(take(begun) ? 'the rest of a string' : wanted);
  }
}

function finish(container, isOpen = false) {
  container.isOpen = isOpen;
  if (container.kind !== 'object') return;
  const seen = new Map();
  for (const member of container.members) {
    // Two spellings of one name are one name.
    const name = stringValue(member.key), first = seen.get(name);
    if (first) first.isDuplicate = member.isDuplicate = true;
    else seen.set(name, member);
  }
}

function place(text, offset, wanted) {
  const before = text.slice(0, offset), line = before.split('\n').length;
  const column = offset - before.lastIndexOf('\n');
  const found = offset >= text.length ? 'the end' : JSON.stringify(String.fromCodePoint(text.codePointAt(offset)));
  return { offset, line, column, isAtEnd: offset >= text.length, wanted, found };
}

/// Says where a text stops being JSON.
export function describe(problem) {
  return `Not JSON at line ${problem.line}, column ${problem.column}: expected ${problem.wanted}, found ${problem.found}`;
}

/// What a string in quotes stands for.
export function stringValue(raw) {
  return JSON.parse(raw);
}

export const childCount = node => (node.members ?? node.items)?.length ?? 0;

/// The lines of a value, indented. Those of a node in `folded` are one.
///
/// A line is `{depth, key, isDuplicate, node, part: 'whole' | 'open' | 'close' | 'folded', comma}`.
export function jsonLines(root, folded = new Set()) {
  const lines = [], stack = [{ node: root, key: null, isDuplicate: false, depth: 0, comma: false }];
  while (stack.length) {
    const item = stack.pop();
    if (item.part === 'close') {
      lines.push(item);
      continue;
    }
    const { node, depth, comma } = item, children = node.members ?? node.items;
    if (!children || children.length === 0 && !node.isOpen) lines.push({ ...item, part: 'whole' });
    else if (folded.has(node)) lines.push({ ...item, part: 'folded' });
    else {
      lines.push({ ...item, part: 'open', comma: false });
      if (!node.isOpen) stack.push({ node, depth, comma, key: null, part: 'close' });
      for (let i = children.length - 1; i >= 0; i -= 1) {
        const child = children[i], isLast = i === children.length - 1;
        stack.push(node.members
          ? { node: child.value, key: child.key, isDuplicate: child.isDuplicate, depth: depth + 1, comma: !isLast }
          : { node: child, key: null, isDuplicate: false, depth: depth + 1, comma: !isLast });
      }
    }
  }
  return lines;
}

/// What stands on a line behind its name.
export function lineText({ node, part, comma }) {
  const [first, last] = node.kind === 'object' ? '{}' : '[]', end = comma ? ',' : '';
  if (node.raw !== undefined) return node.raw + end;
  if (part === 'open') return first;
  if (part === 'close') return last + end;
  return (part === 'folded' ? `${first} ${childCount(node).toLocaleString('en')} ${last}` : first + last) + end;
}

/// The lines as texts, for comparing.
export function prettyLines(root) {
  return jsonLines(root).map(line =>
    '  '.repeat(Math.min(line.depth, 100)) + (line.key === null ? '' : `${line.key}: `) + lineText(line));
}
