// The messages of a WebSocket and the events of a stream, in the order in which they came.
import { button, h, replace } from './dom.js';
import { hexRows } from './hex.js';
import { bodyOctets } from './octets.js';
import { plural, size, visible } from './text.js';

// RFC 6455 section 11.8.
const opcodes = new Map([[0, 'continuation'], [1, 'text'], [2, 'binary'], [8, 'close'], [9, 'ping'], [10, 'pong']]);
const longest = 2000, most = 2000;

/// The events of a stream as it is kept (HTML, "Server-sent events"): `[{type, id, data}]`. The last may be unfinished.
/// Pure.
export function eventsOf(text) {
  const events = [];
  let event = null;
  for (const line of text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/)) {
    if (line === '') {
      if (event) events.push(event);
      event = null;
      continue;
    }
    const [, name, value] = /^([^:]*)(?:: ?([^]*))?$/.exec(line);
    event ??= { type: null, id: null, data: null, comment: null };
    if (name === 'event') event.type = value ?? '';
    else if (name === 'id') event.id = value ?? '';
    else if (name === 'data') event.data = event.data === null ? value ?? '' : `${event.data}\n${value ?? ''}`;
    else if (name === '') event.comment = value ?? '';
  }
  if (event) events.push({ ...event, isOpen: true });
  return events;
}

/// What there is of an exchange: `[{at, isFromClient, kind, size, text | bytes}]`. Pure.
export function messagesOf(x) {
  if (x.messages?.length) {
    return x.messages.map(message => {
      const isEvent = message.opcode == null;
      const event = isEvent && message.text ? eventsOf(message.text)[0] : null;
      return {
        at: message.at, isFromClient: message.from === 'client', size: message.size,
        kind: isEvent ? event?.type ?? (event?.comment !== null && event?.data === null ? 'comment' : 'message')
          : opcodes.get(message.opcode) ?? `opcode ${message.opcode}`,
        id: event?.id ?? null, text: event ? event.data ?? event.comment ?? message.text : message.text ?? null,
        bytes: message.base64 === undefined ? null : bodyOctets(message), ...closing(message),
      };
    });
  }
  const body = x.attempt_list?.at(-1)?.body;
  if (!x.flags?.includes('stream') || !body?.text) return [];
  return eventsOf(body.text).map(event => ({
    at: null, isFromClient: false, kind: event.type ?? (event.data === null ? 'comment' : 'message'), id: event.id,
    size: null, text: event.data ?? event.comment ?? '', bytes: null,
  }));
}

/// A close frame's code and reason (RFC 6455 section 5.5.1).
function closing(message) {
  if (message.opcode !== 8) return {};
  const bytes = bodyOctets(message);
  if (bytes.length < 2) return {};
  return { text: `${bytes[0] << 8 | bytes[1]} ${new TextDecoder().decode(bytes.subarray(2))}`.trim(), bytes: null };
}

/// The tab. It grows while the exchange runs, and follows the end if one is there.
export function makeMessages() {
  const note = h('p.dim', { role: 'status' });
  const rows = h('tbody'), table = h('table.messages', { 'aria-label': 'Messages' },
    h('thead', {}, h('tr', {}, ['ms', 'From', 'Kind', 'Size', 'Content'].map(text => h('th', { scope: 'col' }, text)))), rows);
  const pane = h('div.scroller', { role: 'region', 'aria-label': 'Messages', tabIndex: 0 }, table);
  const element = h('div.messages-view', {}, note, pane);
  let shown = 0, last = '';

  function update(x) {
    const all = messagesOf(x), isRunning = x.state === 'running';
    const cut = x.flags?.includes('cut') ? ' · more came than is kept' : '';
    const text = `${plural(all.length, 'message')}${isRunning ? ' so far' : ''}${cut}`
      + `${all.length > most ? ` · the first ${most.toLocaleString('en')} are shown` : ''}`;
    if (note.textContent !== text) note.textContent = text;
    // The last may have been unfinished when it was drawn.
    const before = last;
    last = JSON.stringify(all[shown - 1]?.text ?? null);
    if (all.length < shown || shown > 0 && before !== last) {
      replace(rows);
      shown = 0;
    }
    const isAtEnd = pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 4;
    const next = all.slice(shown, most);
    for (const message of next) rows.append(rowNode(message));
    shown += next.length;
    last = JSON.stringify(all[shown - 1]?.text ?? null);
    if (isRunning && isAtEnd && next.length) pane.scrollTop = pane.scrollHeight;
  }

  return { element, update };
}

function rowNode(message) {
  const from = message.isFromClient ? 'client' : 'upstream';
  return h('tr', { class: `from-${from}` },
    h('td.figure-cell', {}, message.at === null ? '–' : message.at.toFixed(1)),
    h('td', {}, h('span', { 'aria-hidden': 'true' }, message.isFromClient ? '↑ ' : '↓ '), from),
    h('td', {}, visible(message.kind), message.id && h('span.dim', {}, ' ', visible(message.id))),
    h('td.figure-cell', {}, message.size == null ? '' : size(message.size)),
    h('td.content', {}, contentNode(message)));
}

function contentNode(message) {
  const text = message.bytes ? hexRows(message.bytes).join('\n') : message.text ?? '';
  const element = h('div.verbatim.wrap');
  if (text.length <= longest) return replace(element, visible(text)), element;
  replace(element, visible(text.slice(0, longest)), button({
    class: 'more-button', on: { click: () => replace(element, visible(text)) },
  }, `Show all ${text.length.toLocaleString('en')} characters`));
  return element;
}
