// The fields of a request as the client sent them beside those that went upstream, and those of the answers.
import { h, replace } from './dom.js';
import { mark } from './octets.js';
import { visible } from './text.js';

/// A field of Squire's own, or of the configuration, takes the place of what the client sent under its name. Pure.
export const became = (what, isGiven) => (isGiven && (what === 'made' || what === 'set') ? 'replaced' : what);

/// What became of each field: `[{name, client, sent, what: 'kept' | 'set' | 'replaced' | 'removed' | 'made'}]`. `whats`
/// has, for each that was sent, what Squire says that it is: two values may be the same by chance. Several of one name
/// are paired in their order, those that were kept first. Pure.
export function compareFields(client, sent, whats) {
  const rows = [], left = new Map();
  sent.forEach(([name, value], i) => {
    const key = name.toLowerCase();
    if (!left.has(key)) left.set(key, []);
    left.get(key).push({ name, value, what: whats[i] });
  });
  for (const list of left.values()) list.sort((a, b) => (b.what === 'kept') - (a.what === 'kept'));
  for (const [name, value] of client) {
    const there = left.get(name.toLowerCase())?.shift();
    if (!there) rows.push({ name, client: value, sent: null, what: 'removed' });
    else rows.push({ name, client: value, sent: there.value, what: became(there.what, true) });
  }
  for (const rest of left.values()) for (const { name, value, what } of rest) rows.push({ name, client: null, sent: value, what });
  return rows;
}

const words = {
  kept: 'as the client sent it', set: 'added by the configuration', replaced: 'made anew, or set by the configuration',
  removed: 'does not go upstream', made: 'made by Squire',
};

export const absent = () => h('span.absent', {}, '–');

/// A value of a field: text, and what stands in a secret's place told apart.
export function fieldValue(value) {
  if (value == null) return absent();
  if (value === '') return h('span.absent', {}, 'empty');
  const parts = value.split(new RegExp(`(${mark.source})`));
  return h('span.value', {}, parts.map((part, i) => (i % 2 ? h('span.secret', {}, part) : visible(part))));
}

/// A table of fields.
export function fieldTable(label, fields) {
  if (!fields?.length) return h('p.dim', {}, `${label}: none`);
  return h('table.fields', { 'aria-label': label }, h('tbody', {}, fields.map(([name, value]) =>
    h('tr', {}, h('th', { scope: 'row' }, visible(name)), h('td', {}, fieldValue(value))))));
}

/// The tab.
export function makeHeaders() {
  const element = h('div.headers');

  function update(x) {
    const rows = compareFields(x.request?.head?.fields ?? [], x.sent?.fields ?? [], x.sent?.what ?? []);
    const wentOut = (x.sent?.fields ?? []).length > 0;
    replace(element,
      h('h3', {}, 'Request'),
      !wentOut && h('p.dim', {}, 'Nothing went upstream.'),
      !wentOut && rows.length > 0 && fieldTable('Fields of the request', x.request.head.fields),
      wentOut && rows.length > 0 && h('table.fields.compared', { 'aria-label': 'Fields of the request' },
        h('thead', {}, h('tr', {}, ['Field', 'Client', 'Upstream', 'What'].map(text => h('th', { scope: 'col' }, text)))),
        h('tbody', {}, rows.map(row => h('tr', { class: `what-${row.what}` },
          h('th', { scope: 'row' }, visible(row.name)), h('td', { 'data-label': 'Client' }, fieldValue(row.client)),
          h('td', { 'data-label': 'Upstream' }, row.sent !== null && row.sent === row.client ? h('span.absent', {}, 'the same') : fieldValue(row.sent)),
          h('td', {}, h('span.badge', { title: words[row.what] }, row.what)))))),
      (x.attempt_list ?? []).filter(attempt => attempt.status).map(attempt => {
        const which = x.attempt_list.length > 1 ? ` of attempt ${attempt.n}` : '';
        return [h('h3', {}, `Answer${which} · ${attempt.status} `, visible(attempt.reason ?? '')),
          fieldTable(`Fields of the answer${which}`, attempt.fields)];
      }),
      x.own_answer_head && [h('h3', {}, `Squire's own answer · ${x.own_answer?.status ?? ''}`), fieldTable("Fields of Squire's own answer", x.own_answer_head.fields)]);
  }

  return { element, update };
}
