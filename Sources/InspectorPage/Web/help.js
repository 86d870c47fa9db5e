// Keys, words of the filter, and how to ask the same from a shell.
import { KEYS as WORDS, STATES } from './filter.js';
import { h, replace } from './dom.js';
import { sheetHead } from './panes.js';

/// Every key and what it does: shown here, dispatched in `keys.js`.
export const KEYS = [
  ['In the list', [
    [['↓', '↑'], ['j', 'k'], 'next, previous exchange'], [['Home', 'End'], ['PgUp', 'PgDn'], 'as they say'], [['n'], ['N'], 'next, previous failure'],
    [['Enter'], ['→'], 'into the detail'], [['Esc'], ['←'], 'back to the list; then selects nothing'], [['/'], [], 'filter'], [['f'], [], 'follow the newest'], [['p'], [], 'pause the view, not the recording'],
  ]],
  ['With an exchange', [
    [['r'], [], 'send again under the token of now'], [['e'], [], 'edit in the composer'], [['1', '…', '7'], [], 'tabs of the detail'], [['d'], [], 'diff attempt 1 with 2'], [['x'], [], 'mark for diff; the second x diffs'],
    [['b'], [], 'pin: it is not evicted'], [['c', 's'], [], 'copy curl, through Squire'], [['c', 'd'], [], 'copy curl, direct, with squire token'], [['c', 't'], [], 'copy curl, to share'], [['c', 'h'], ['c', 'f'], 'copy HTTPie, fetch'], [['c', 'w'], [], 'copy the raw request'],
  ]],
  ['Anywhere', [[['t'], [], 'the token strip'], [['v'], [], 'blur bodies, for sharing the screen'], [['?'], [], 'this help'], [['Ctrl', 'Enter'], [], 'in the composer: send']]],
];

export function helpView(app) {
  const recipes = h('div');
  const toggle = h('input', { type: 'checkbox', id: 'keys-on', on: { change: () => app.prefs.set('keys', toggle.checked) } });
  const keys = names => names.flatMap((name, i) => [i && name !== '…' && names[i - 1] !== '…' ? ' ' : '', name === '…' ? ' … ' : h('kbd', { text: name })]);
  const element = h('section.sheet-inner.help', { 'aria-labelledby': 'help-title', tabIndex: -1 },
    sheetHead(app, 'help-title', 'Help'),
    h('div.help-columns', {}, KEYS.map(([title, list]) => h('section', {}, h('h3', { text: title }),
      h('dl.keys', {}, list.map(([one, other, words]) => h('div', {}, h('dt', {}, keys(one), other.length ? [h('span.quiet', { text: ' or ' }), keys(other)] : null), h('dd', { text: words }))))))),
    h('p', {}, h('label.check', {}, toggle, ' Single keys act'), h('span.quiet', { text: ' They act in the list, the detail and on the page itself, never in a field.' })),
    h('p.quiet', { text: 'The browser’s own search (Ctrl+F) sees the drawn rows only: / searches all of them.' }),
    h('h3', { text: 'Words of the filter' }),
    h('p', {}, 'Words separated by blanks must all match. ', h('code', { text: '-' }), ' before a word turns it round, quotes keep blanks, a comma means or. A bare word is looked for in method and target.'),
    h('dl.words', {}, Object.entries(WORDS).map(([name, [words]]) => h('div', {}, h('dt', {}, h('code', { text: EXAMPLES[name] })), h('dd', { text: words })))),
    h('p', {}, h('code', { text: 'is:' }), ' takes ', Object.keys(STATES).map((name, i) => [i ? ', ' : '', h('code', { text: name })]), '.'),
    h('h3', { text: 'The same from a shell' }), recipes,
    h('h3', { text: 'What is kept' }),
    h('p', { text: 'Exchanges are in Squire’s memory only, without tokens, passwords and cookies, until newer ones need the room. This browser keeps the theme, the columns and the filters that you named.' }));
  return {
    element,
    update() {
      toggle.checked = app.prefs.get('keys');
      const own = location.origin;
      const key = app.status?.inspector?.key ? ` -H "X-Squire-Key: $(cat KEYFILE)"` : '';
      replace(recipes, app.commands([
        [`curl -s${key} '${own}/api/exchanges?status=4xx&limit=20'`, 'the last that went wrong'],
        [`curl -sN${key} ${own}/api/events`, 'what happens, as it does'],
        [`curl -s${key} ${own}/api/exchanges.har -o squire.har`, 'everything, for other tools'],
        [`curl -s${key} -X POST -H 'X-Squire-Inspector: 1' ${own}/api/session/refresh`, 'a new token, now'],
      ]));
    },
  };
}

const EXAMPLES = {
  status: 'status:4xx', method: 'method:POST', path: 'path:/api/orders*', is: 'is:retried', gen: 'gen:7', attempts: 'attempts:2', code: 'code:login_needed', took: 'took:>200ms', upstream: 'upstream:>1s', size: 'size:>10KiB',
  since: 'since:5m', id: 'id:00a7-12', type: 'type:json', origin: 'origin:composer', header: 'header:x-request-id=abc', body: 'body:"out of stock"',
};
