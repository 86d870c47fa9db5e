// What Squire does with such a request and why: the words of `squire explain`.
import { h, replace } from './dom.js';
import { became, fieldValue } from './headers.js';
import { isNamed, mark } from './octets.js';
import { span, visible } from './text.js';

/// The fields to ask about. A mark is no value; of the field only its presence counts.
export function askableFields(fields) {
  return fields.filter(([name]) => !/^x-squire-/i.test(name)).map(([name, value]) => [name, mark.test(value) ? 'redacted' : value]);
}

/// What of an explanation fits in a line: `goes to https://… with generation 7, 3 configured headers`. Pure.
/// `apply` is how a request carries the token.
export function inOneLine(explanation, apply) {
  if (explanation.access && explanation.access !== 'allowed' && !explanation.access.allowed) {
    return `refused: ${accessText(explanation.access)}`;
  }
  if (!explanation.upstream) return accessText(explanation.access);
  const token = explanation.token ?? {};
  const carries = {
    attach: token.generation ? `with generation ${token.generation}` : 'with a token',
    refresh_first: 'with a new token, which is asked for first', refuse: null, none: 'without a token',
    client: `with the client's own ${apply?.field ?? 'Authorization'}`,
  }[token.action] ?? 'without a token';
  if (token.action === 'refuse') return `answered by Squire: ${token.advice ?? 'there is no session'}`;
  const set = (explanation.fields ?? []).filter(field => field.what === 'set' && !isNamed(field.name, apply?.field)).length;
  return `goes to ${explanation.upstream} ${carries}${set ? `, ${set} configured ${set === 1 ? 'header' : 'headers'}` : ''}`;
}

function accessText(access) {
  if (typeof access === 'string') return access;
  return access.detail ?? access.because ?? access.reason ?? access.code ?? 'by the access rules';
}

/// The whole of it. `given` are the fields of the request: what is made in the place of one of them replaces it.
export function explanationView(explanation, given = []) {
  const { route = {}, token = {} } = explanation;
  const source = text => text && h('span.source', {}, visible(text));
  const names = new Set(given.map(([name]) => name.toLowerCase()));
  const what = field => became(field.what, names.has(field.name.toLowerCase()));
  const row = (name, ...what) => [h('dt', {}, name), h('dd', {}, ...what)];
  return h('div', {},
    h('dl.fact-list', {},
      row('Access', visible(accessText(explanation.access ?? 'allowed')), source(explanation.access?.source)),
      row('Route', h('b', {}, visible(route.kind ?? '–')), route.because && [' · ', visible(route.because)], source(route.source)),
      explanation.upstream && row('Upstream', visible(explanation.upstream)),
      row('Token', visible([token.action, token.generation && `generation ${token.generation}`,
        typeof token.expires_in === 'number' && `${span(token.expires_in)} left`].filter(Boolean).join(' · ')),
      token.advice && h('p.warning', {}, visible(token.advice)))),
    h('table.fields.compared', { 'aria-label': 'Fields' },
      h('thead', {}, h('tr', {}, ['Field', 'Value', 'What', 'Why'].map(text => h('th', { scope: 'col' }, text)))),
      h('tbody', {}, (explanation.fields ?? []).map(field => h('tr', { class: `what-${what(field)}` },
        h('th', { scope: 'row' }, visible(field.name)), h('td', { 'data-label': 'Value' }, fieldValue(field.value)),
        h('td', {}, h('span.badge', {}, what(field))),
        h('td', { 'data-label': 'Why' }, visible(field.why ?? ''), source(field.source)))))));
}

/// The tab: asked when it is looked at, and again only for another exchange.
export function makeExplain({ app }) {
  const element = h('div.explain');
  let asked = null;

  async function update(x) {
    if (asked === x.id) return;
    asked = x.id;
    replace(element, h('p.dim', {}, 'Asking …'));
    const answer = await app.api.send('POST', '/api/explain', {
      method: x.method, target: x.target, fields: askableFields(x.request?.head?.fields ?? []),
    });
    if (asked !== x.id) return;
    if (!answer.ok) asked = null;
    replace(element, answer.ok
      ? [h('p.dim', {}, 'What Squire would do with this request now, by its configuration and session of now.'),
        explanationView(answer.json, x.request?.head?.fields)]
      : h('p.warning', { role: 'alert' }, visible(answer.problem?.detail ?? 'Squire did not explain it.')));
  }

  return { element, update };
}
