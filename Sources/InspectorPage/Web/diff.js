// Two attempts, or two exchanges, and what differs between them.
import { closeButton } from './actions.js';
import { bodyRemarks } from './body.js';
import { bodyLines, difference, fieldDifference, folded } from './compare.js';
import { button, h, replace } from './dom.js';
import { fieldValue } from './headers.js';
import { isNamed } from './octets.js';
import { address, place, textPane } from './panes.js';
import { plural, visible } from './text.js';

/// `00a7-12.2` is attempt 2. Pure.
export function splitName(name) {
  const [, id, n] = /^(.*?)(?:\.(\d{1,6}))?$/.exec(name);
  return { id, n: n === undefined ? null : Number(n) };
}

/// One side: the attempt that was asked for, or the last. Pure.
export function sideOf(x, n) {
  const attempts = x.attempt_list ?? [], attempt = n === null ? attempts.at(-1) ?? null : attempts.find(item => item.n === n) ?? null;
  // The head is made once and sent with each attempt; only the token differs.
  const sent = (x.sent?.fields ?? []).map(([name, value]) => [name, isNamed(name, x.request?.replaced) && attempt?.generation
    ? value.replace(/‹token, generation \d+›/, `‹token, generation ${attempt.generation}›`) : value]);
  const own = x.own_answer;
  return {
    id: x.id, n: attempt?.n ?? null, line: `${x.method} ${x.target}`,
    fields: sent.length ? sent : x.request?.head?.fields ?? [], body: x.request?.body,
    status: attempt?.status ? `${attempt.status} ${attempt.reason ?? ''}`.trim()
      : own ? `${own.status} ${own.code ?? ''}`.trim() : 'no answer',
    answerFields: attempt?.fields ?? [],
    answer: attempt?.body ?? (own ? { text: JSON.stringify(own) } : undefined),
  };
}

const signs = { removed: '−', added: '+', equal: ' ', changed: '±' };
const spoken = { removed: 'only left', added: 'only right' };

/// The view. `update({left, right})`.
export function diffView(app) {
  const element = h('div.dv.diff');
  let asked = '', sides = null, chosen = null;
  const narrow = matchMedia('(max-width: 900px)');
  narrow.addEventListener('change', () => { if (sides && chosen === null) show(); });

  async function update({ left, right }) {
    const mine = JSON.stringify([left, right]);
    if (mine === asked) return;
    asked = mine;
    replace(element, h('p.dim', { role: 'status' }, 'Loading …'));
    const names = [left, right].map(splitName);
    const same = names[0].id === names[1].id;
    const get = ({ id }) => app.api.get(address(id));
    const first = await get(names[0]), second = same ? first : await get(names[1]);
    if (mine !== asked) return;
    const wrong = [first, second].findIndex(answer => !answer.ok);
    if (wrong >= 0) {
      asked = '';
      const { problem } = [first, second][wrong], name = names[wrong].id;
      replace(element, h('div.empty-detail', { role: 'status' }, h('h2', {}, 'Nothing to compare'),
        h('p', {}, visible(name), ': ', visible({ evicted: 'no longer kept.', not_found: 'no such exchange.' }[problem?.code]
          ?? problem?.detail ?? '')), button({ on: { click: () => app.close() } }, 'Back to the list')));
      return;
    }
    sides = [first, second].map((answer, i) => sideOf(answer.json, names[i].n));
    show();
  }

  function show() {
    const [left, right] = sides, isUnified = chosen ?? narrow.matches, view = isUnified ? unified : beside;
    const name = side => [h('a', { href: place(side.id) }, visible(side.id)), side.n === null ? '' : ` attempt ${side.n}`];
    const choose = value => () => {
      chosen = value;
      show();
      element.querySelector('[aria-pressed="true"]').focus();
    };
    replace(element,
      h('header.diff-head', {}, h('h2', {}, name(left), ' ↔ ', name(right)),
        h('span.segments', { role: 'group', 'aria-label': 'Layout' },
          button({ 'aria-pressed': String(!isUnified), on: { click: choose(false) } }, 'Side by side'),
          button({ 'aria-pressed': String(isUnified), on: { click: choose(true) } }, 'Unified')), closeButton(app)),
      part('Request line', linesPart([left.line], [right.line], view)),
      part('Fields of the request', fieldsPart(left.fields, right.fields)),
      part('Body of the request', bodyPart(left.body, right.body, view)),
      part('Status', linesPart([left.status], [right.status], view)),
      part('Fields of the answer', fieldsPart(left.answerFields, right.answerFields)),
      part('Body of the answer', bodyPart(left.answer, right.answer, view)));
  }

  return { element, update, key: () => false };
}

function part(title, { content, count }) {
  return h('section', { class: count ? 'diff-part' : 'diff-part is-equal', 'aria-label': title },
    h('h3', {}, title, h('span.dim', {}, count === null ? '' : count ? ` · ${plural(count, 'difference')}` : ' · the same')),
    content);
}

function fieldsPart(left, right) {
  const all = fieldDifference(left, right), different = all.filter(field => field.what !== 'equal'), equal = all.length - different.length;
  const value = values => (values.length ? values.map(text => h('div', {}, fieldValue(text))) : h('span.absent', {}, '–'));
  return {
    count: different.length,
    content: [
      different.length > 0 && h('table.fields.compared', {}, h('thead.unseen', {}, h('tr', {},
        ['Field', 'Left', 'Right'].map(text => h('th', { scope: 'col' }, text)))), h('tbody', {}, different.map(field => h('tr', {},
        h('th', { scope: 'row' }, visible(field.name)),
        h('td', { 'data-label': 'Left', class: field.left.length ? 'is-removed' : '' }, value(field.left)),
        h('td', { 'data-label': 'Right', class: field.right.length ? 'is-added' : '' }, value(field.right)))))),
      equal > 0 && different.length > 0 && h('p.dim', {}, `${plural(equal, 'field')} the same`),
    ],
  };
}

function bodyPart(left, right, view) {
  const { kind, sides } = bodyLines(left, right), result = linesPart(...sides, view);
  if (result.count) result.content = [h('p.dim', {}, `Compared as ${kind}.`), result.content];
  const remarks = [['Left', left], ['Right', right]].flatMap(([side, body]) =>
    bodyRemarks(body ?? {}).filter(remark => remark.isWarning).map(({ text }) => `${side}: ${text}`));
  if (remarks.length) {
    // What is not here cannot be the same.
    result.count ||= null;
    result.content = [remarks.map(text => h('p.warning', {}, visible(text))), result.content];
  }
  return result;
}

function linesPart(left, right, view) {
  const steps = difference(left, right);
  if (!steps) {
    return {
      count: null,
      content: [h('p.warning', {}, 'They differ in more than 2,000 lines, or have more than 4,000: ',
        `${plural(left.length, 'line')} and ${plural(right.length, 'line')} are not compared.`),
        h('div.both', {}, textPane(left.join('\n'), 'Left'), textPane(right.join('\n'), 'Right'))],
    };
  }
  const groups = folded(steps), length = (group, what) => group.steps.filter(step => step.what === what).length;
  // A line in the place of another is one difference.
  const count = groups.reduce((sum, group) => sum + Math.max(length(group, 'removed'), length(group, 'added')), 0);
  return { count, content: count ? view(left, right, groups) : null };
}

function foldNode(group, draw) {
  const place = h('div.diff-fold');
  replace(place, button({ class: 'more-button', on: { click: () => place.replaceWith(...group.steps.map(draw)) } },
    `${plural(group.steps.length, 'line')} the same`));
  return place;
}

const lineNode = (what, text) => h('div', { class: `diff-line is-${what}` },
  h('span.diff-sign', { 'aria-hidden': 'true' }, signs[what]), spoken[what] && h('span.unseen', {}, spoken[what]),
  h('span.verbatim.wrap', {}, text === null ? '' : visible(text)));

function unified(left, right, groups) {
  const draw = step => lineNode(step.what, step.left === null ? right[step.right] : left[step.left]);
  return h('div.diff-lines', {}, groups.map(group => (group.isFold ? foldNode(group, draw) : group.steps.map(draw))));
}

/// What was removed stands beside what was added in its place.
function beside(left, right, groups) {
  const row = (l, r, what) => h('div.diff-row', {},
    lineNode(what === 'equal' ? 'equal' : l === undefined ? 'none' : 'removed', l === undefined ? null : left[l]),
    lineNode(what === 'equal' ? 'equal' : r === undefined ? 'none' : 'added', r === undefined ? null : right[r]));
  const draw = step => row(step.left, step.right, 'equal');
  return h('div.diff-lines', {}, groups.map(group => {
    if (group.isFold) return foldNode(group, draw);
    if (group.steps[0].what === 'equal') return group.steps.map(draw);
    const removed = group.steps.filter(step => step.what === 'removed'), added = group.steps.filter(step => step.what === 'added');
    return Array.from({ length: Math.max(removed.length, added.length) }, (_, i) => row(removed[i]?.left, added[i]?.right, 'different'));
  }));
}
