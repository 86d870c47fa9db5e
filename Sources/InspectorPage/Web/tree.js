// JSON as lines that fold.
import { button, h, replace } from './dom.js';
import { childCount, jsonLines, lineText } from './json.js';
import { inPieces, scroller } from './panes.js';
import { plural, visible } from './text.js';

const longest = 2000;

/// A value as lines, of which those of an object or a list fold into one.
export function jsonPane(root, label) {
  const folded = new Set(), code = h('div.verbatim.json'), nodes = new WeakMap();
  const pane = scroller(label, 'text', code);

  function show() {
    const lines = jsonLines(root, folded);
    replace(code);
    inPieces(code, lines.length, 1000, 'lines', (from, to) => lines.slice(from, to).map(lineNode));
    const toggles = code.querySelectorAll('.fold');
    if (toggles.length) toggles[0].tabIndex = 0;
  }

  function lineNode(line) {
    const { node, key, part } = line;
    const row = h('div.json-line', { style: { paddingLeft: `${Math.min(line.depth, 60) * 2 + 2}ch` } });
    if (part === 'open' || part === 'folded') {
      const toggle = button({
        class: 'fold', 'aria-expanded': String(part === 'open'), tabIndex: -1,
        'aria-label': `${key ?? (node === root ? 'everything' : 'element')}, ${plural(childCount(node), 'member')}`,
        style: { left: `${Math.min(line.depth, 60) * 2}ch` },
      });
      nodes.set(toggle, node);
      row.append(toggle);
    }
    if (key !== null) {
      row.append(h('span.json-key', {}, visible(key)));
      if (line.isDuplicate) row.append(h('span.badge', { title: 'This name stands here more than once' }, 'twice'));
      row.append(': ');
    }
    const text = lineText({ ...line, comma: false }), kind = node.raw === undefined ? 'json-mark' : `json-${node.kind}`;
    const value = h('span', { class: kind });
    if (text.length <= longest) replace(value, visible(text));
    else {
      replace(value, visible(text.slice(0, longest)), button({
        class: 'more-button',
        on: { click: event => { event.stopPropagation(); replace(value, visible(text)); pane.focus(); } },
      }, `Show all ${text.length.toLocaleString('en')} characters`));
    }
    row.append(value, line.comma && part !== 'open' ? ',' : '');
    return row;
  }

  code.addEventListener('click', event => {
    const toggle = event.target.closest('.fold'), node = nodes.get(toggle);
    if (!node) return;
    const index = [...code.querySelectorAll('.fold')].indexOf(toggle), scroll = pane.scrollTop;
    if (!folded.delete(node)) folded.add(node);
    show();
    pane.scrollTop = scroll;
    focusToggle(index);
  });
  code.addEventListener('keydown', event => {
    const toggles = [...code.querySelectorAll('.fold')], index = toggles.indexOf(event.target);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (index < 0 || !step) return;
    event.preventDefault();
    event.stopPropagation();
    focusToggle(Math.max(0, Math.min(toggles.length - 1, index + step)));
  });
  function focusToggle(index) {
    const toggles = [...code.querySelectorAll('.fold')];
    for (const toggle of toggles) toggle.tabIndex = -1;
    const toggle = toggles[Math.min(index, toggles.length - 1)];
    if (!toggle) return;
    toggle.tabIndex = 0;
    toggle.focus();
  }

  show();
  return pane;
}
