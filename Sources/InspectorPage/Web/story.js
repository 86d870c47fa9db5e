// What happened to an exchange, line by line. Each line has a stamp that was taken; none is inferred.
import { button, h, replace } from './dom.js';
import { duration, number, plain, plural, size, span, visible } from './text.js';
import { quote } from './copy.js';
import { values } from './octets.js';

/// The lines: `[{at, text, kind, note?, attempt?, command?}]`, ascending by `at`, milliseconds after
/// the beginning. `generations` is what `/api/generations` has of the tokens; `place` where Squire is. Pure.
export function storyLines(x, { generations = [], place = null } = {}) {
  const lines = [], attempts = x.attempt_list ?? [];
  const say = (at, kind, text, more = {}) => lines.push({ at: at ?? x.total_ms ?? 0, kind, text, ...more });
  const what = x.method ? `${x.method} ${x.target}` : 'Something that is no request';
  say(0, 'begin', `${what} received${sizeOf(x)}${keptFor(x)}`, { note: origin(x) });
  if (x.flags?.includes('late')) {
    say(0, 'note', 'its recording began late: Squire was busy, and only what was still there is shown');
  }
  // In the order in which they happen, for what has the same stamp.
  const left = [...waits(x)];
  for (const attempt of attempts) {
    while (left.length && left[0].began <= attempt.began) waitLines(say, left.shift(), generations, x);
    attemptLines(say, x, attempt, attempts);
  }
  for (const wait of left) waitLines(say, wait, generations, x);
  const last = attempts.at(-1);
  if (last?.held && last.relayed) {
    // It goes on once the session has answered.
    const isLogin = x.code === 'login_needed', wait = waits(x).at(-1);
    say(Math.max(last.first_byte ?? 0, wait?.ended ?? x.total_ms ?? 0), statusKind(last.status),
      `${last.status} given to your tool${isLogin ? ', marked login needed' : ''}`, {
        attempt: last.n, isAnswer: true, command: isLogin ? loginCommand(place, null) : undefined,
        note: wait?.outcome !== 'refreshed' ? undefined
          : x.request?.kept_for_replay ? 'not sent again: sent once more by your tool, it goes with the new token'
          : 'not sent again, because its body was not kept: sent once more by your tool, it goes with the new token',
      });
  }
  for (const answer of x.interim ?? []) say(answer.at, 'interim', `interim answer ${answer.status}`);
  if (x.own_answer) ownAnswer(say, x, place);
  ending(say, x, attempts);
  // By what is shown of the stamps; a stable sort.
  const shown = line => Math.round(line.at * 10);
  return lines.sort((a, b) => shown(a) - shown(b));
}

export const waits = x => (x.token_waits?.length ? x.token_waits : x.token_wait ? [x.token_wait] : []);

/// Ends that have an attempt end with them.
const cuts = ['client_gone', 'upstream_failed', 'shut_down'];

const isSocket = x => x.flags?.includes('websocket');
const sizeOf = x => (x.request_bytes && !isSocket(x) ? ` · ${size(x.request_bytes)}` : '');

function keptFor(x) {
  const kept = x.request?.kept_for_replay;
  if (!kept || !x.request_bytes || isSocket(x)) return '';
  return kept === 'file' ? ', kept in a file to be sent again' : ', kept to be sent again';
}

function origin(x) {
  if (x.origin === 'replay') return `sent again from here${x.replay_of ? `, as ${x.replay_of} was` : ''}`;
  return x.origin === 'composer' ? 'written here' : undefined;
}

function attemptLines(say, x, attempt, attempts) {
  const { n, generation } = attempt;
  const token = generation ? `with generation ${generation}` : 'without a token';
  const connection = attempt.reused ? ' · on a kept connection'
    : attempt.connected > attempt.began
      ? ` · on a new connection, made in ${duration(attempt.connected - attempt.began)}${attempt.tls_ms ? `, of which TLS ${duration(attempt.tls_ms)}` : ''}` : '';
  say(attempt.began, 'attempt', `attempt ${n} ${token}${connection}`, {
    attempt: n, note: n > 1 ? `the same octets${values(x.sent?.fields, 'x-request-id').length ? ', the same X-Request-ID' : ''}` : undefined,
  });
  const next = attempts.find(item => item.n === n + 1);
  if (attempt.first_byte != null) {
    const why = challenge(attempt), isLast = n === attempts.length;
    say(attempt.first_byte, statusKind(attempt.status), `${attempt.status} ${why ?? attempt.reason ?? ''}`.trim(), {
      attempt: n, isAnswer: true, canDiffer: isLast && n > 1,
      note: attempt.held ? `held: your tool has not seen it${attempt.relayed || x.state === 'running' ? ' yet' : ''}`
        : attempt.relayed ? 'what your tool got' : undefined,
    });
  }
  const received = attempt.body?.size ?? 0;
  if (attempt.ended != null) {
    if (attempt.first_byte == null) {
      // Only a kept connection that was closed, or Squire's own expectation, has a request sent again so.
      const isAgain = next && attempt.reused && !waits(x).some(wait => wait.began >= attempt.ended && wait.began <= next.began);
      // It ended because the tool, or Squire, did.
      if (next || !cuts.includes(x.outcome) || x.own_answer) say(attempt.ended, isAgain ? 'note' : 'bad', isAgain ? `the kept connection was closed before an answer: ${x.method} may be sent again`
        : `attempt ${n} ended without an answer`);
    } else if (attempt.ended - attempt.first_byte >= 0.05 && received > 0 && (next || !cuts.includes(x.outcome))) {
      say(attempt.ended, 'note', `its body ended · ${size(received)}${rate(received, attempt)}`);
    }
  } else if (x.state === 'running' && received > 0) {
    say(x.total_ms, 'running', `still coming · ${size(received)} so far`);
  }
}

function rate(received, attempt) {
  const seconds = (attempt.ended - attempt.first_byte) / 1000;
  return seconds >= 0.5 ? `, ${size(Math.round(received / seconds))} a second` : '';
}

/// What the upstream said was wrong with the token (RFC 6750 section 3).
function challenge(attempt) {
  if (attempt.status !== 401) return null;
  for (const value of values(attempt.fields, 'www-authenticate')) {
    const found = /\berror="?([A-Za-z0-9_]{1,40})/.exec(value);
    if (found) return found[1];
  }
  return null;
}

/// What came of a wait, where that was a token.
export const brought = new Set(['refreshed', 'former', 'valid', 'served']);

function waitLines(say, wait, generations, x) {
  const known = wait.generation ? generations.find(item => item.generation === wait.generation) : undefined;
  const others = wait.waiters ?? (wait.led && known?.led_by === x.id ? known.waiters : null);
  if (wait.led) {
    const waiting = others === null ? '' : others === 0 ? ' · none waited for it'
      : ` · ${plural(others, 'other')} waited for it`;
    say(wait.began, 'token', `refresh started by this request${wait.need === 'first' ? expiryWords(wait, generations, x) : ''}${waiting}`);
  } else {
    say(wait.began, 'token', awaitedWords(wait, known), {
      note: wait.awaited !== 'refresh' || others === null ? undefined : `${plural(others, 'request')} waited`,
    });
  }
  if (wait.ended == null) {
    if (x.state === 'running') say(x.total_ms, 'running', 'still waiting for a token');
    return;
  }
  const text = outcomeWords(wait, known);
  if (text) say(wait.ended, brought.has(wait.outcome) ? 'token' : 'bad', text, { note: wait.detail ?? undefined });
}

/// What a request that starts no refresh waits for.
function awaitedWords(wait, known) {
  const other = wait.need === 'another' ? 'another' : 'a';
  switch (wait.awaited) {
    case 'refresh': return known?.led_by ? `waits for the refresh that ${known.led_by} started`
      : { manual: 'waits for the refresh that was asked for by hand', client: 'waits for the refresh that a client asked for' }[known?.cause]
      ?? 'waits for the refresh that is on its way';
    case 'lead': return 'waits for what the API says of the token that was just refreshed';
    case 'news': return `looks for ${other} token where others may have put one`;
    default: return wait.need === 'refresh' ? 'a refresh is asked for' : `asks for ${other} token`;
  }
}

/// What came of a wait, as the session said it.
function outcomeWords(wait, known) {
  const { outcome, generation } = wait, other = wait.need === 'another' ? 'other ' : '';
  const life = typeof known?.expires_at === 'number' && typeof known.issued_at === 'number'
    ? ` · good for ${span(known.expires_at - known.issued_at)}` : '';
  const from = { adopted: ', which another Squire had brought', login: ', of a login', sign_in: ', of a sign-in' }[known?.from] ?? '';
  return {
    refreshed: wait.awaited === 'nothing' ? `generation ${generation} is there${from}` : `generation ${generation} arrived${from}${life}`,
    former: `no other token came: generation ${generation} is used while it works`,
    valid: `generation ${generation} again: by the clock of the API it was not valid yet`,
    served: 'refreshed, for your tool', timed_out: 'no token came in time',
    login_needed: `no ${other}token: a login is needed`, not_refreshable: `no ${other}token: there is nothing to refresh it with`,
    unchanged: 'the refresh brought the same token again', misconfigured: `no ${other}token can be had`,
    unavailable: wait.awaited === 'nothing' ? 'not refreshed now: the last refresh failed' : 'the refresh failed',
    paused: 'not refreshed: a refresh does not help here', did_not_help: 'not refreshed: the token that was refused was just refreshed',
    not_writable: 'not refreshed: it could not have been saved', overloaded: 'not waited for: too many wait for it',
    shutting_down: 'Squire is being shut down',
  }[outcome];
}

/// By the stamps, if the end of the token that was there is known.
function expiryWords(wait, generations, x) {
  const at = (Date.parse(x.at) + wait.began) / 1000;
  const old = generations.filter(item => (wait.generation ? item.generation < wait.generation : item.issued_at <= at)).at(-1);
  if (typeof old?.expires_at !== 'number' || isNaN(at)) return '';
  return old.expires_at <= at ? ': the token had expired' : ': the token was about to expire';
}

function ownAnswer(say, x, place) {
  const answer = x.own_answer, isLogin = answer.code === 'login_needed';
  say(answer.at ?? x.total_ms, 'bad', `${answer.status} ${answer.code ?? answer.title ?? ''} · Squire's own answer, given to your tool`, {
    // What the session said stands above.
    isOwn: true, note: waits(x).some(wait => wait.detail && answer.detail?.startsWith(wait.detail)) ? undefined : answer.detail,
    command: isLogin ? loginCommand(place, answer) : undefined,
  });
}

/// The command that ends a story which needs a login.
export function loginCommand(place, answer) {
  if (place?.config && !/[^ -~]/.test(place.config)) return `squire login --config ${quote(place.config)}`;
  return /run:? (squire login[ -~]*?)\.?$/.exec(answer?.detail ?? '')?.[1] ?? 'squire login';
}

function ending(say, x, attempts) {
  if (x.state === 'running') {
    if (!attempts.length || attempts.at(-1).first_byte === null) say(x.total_ms, 'running', 'no answer yet');
    return;
  }
  const after = `after ${size(attempts.find(attempt => attempt.relayed)?.body?.size ?? x.response_bytes ?? 0)}`;
  const text = {
    client_gone: isSocket(x) ? 'your tool ended it' : x.status ? `your tool hung up ${after}` : 'your tool hung up',
    upstream_failed: x.own_answer ? null : isSocket(x) ? 'the connection to the API broke'
      : `the API broke off ${after}: your tool saw that the rest is missing`,
    shut_down: 'Squire was shut down',
  }[x.outcome];
  if (text) say(x.total_ms, isSocket(x) && x.outcome === 'client_gone' ? 'note' : 'bad', text);
  if (isSocket(x) && x.messages?.length) {
    const own = x.messages.filter(message => message.from === 'client').length;
    say(x.messages.at(-1).at, 'note', `${plural(own, 'message')} from your tool, ${number(x.messages.length - own)} from the API`, { tab: 'messages' });
  }
}

const statusKind = status => (status >= 400 ? 'bad' : status >= 300 || status < 200 ? 'note' : 'good');

/// What the time went to: `[{name, from, to, kind}]` by stamps, for a bar. Pure.
export function timeSpans(x) {
  const total = x.total_ms ?? 0, spans = [];
  const add = (name, kind, from, to) => {
    if (from != null && to > from) spans.push({ name, kind, from, to: Math.min(to, Math.max(total, from)) });
  };
  for (const attempt of x.attempt_list ?? []) {
    const ended = attempt.ended ?? total, first = attempt.first_byte ?? ended;
    const name = (x.attempt_list.length > 1 ? `attempt ${attempt.n}` : 'upstream');
    add(`${name}: waiting`, 'upstream', attempt.began, first);
    add(`${name}: body`, 'receive', first, ended);
  }
  for (const wait of waits(x)) add(wait.led ? 'refresh' : 'waiting for a refresh', 'token', wait.began, wait.ended ?? total);
  return spans.sort((a, b) => a.from - b.from);
}

function bar(x) {
  const total = x.total_ms ?? 0, timings = x.timings ?? {}, spans = timeSpans(x);
  if (!(total > 0) || spans.length === 0) return null;
  const parts = [['queued', 'before it went out'], ['token', 'waiting for a token'], ['upstream', 'at the upstream'],
    ['client', 'giving it to your tool']].filter(([name]) => timings[name] > 0);
  const track = h('div.time-bar', { 'aria-hidden': 'true' }, spans.map(item => h('span', {
    class: `span-${item.kind}`, title: `${item.name} ${duration(item.to - item.from)}`,
    style: { left: `${item.from / total * 100}%`, width: `${(item.to - item.from) / total * 100}%` },
  })));
  return h('div.timing', {}, track, h('ul.legend', { 'aria-label': 'Where the time went' }, parts.map(([name, what]) =>
    h('li', { class: `key-${name}` }, `${what} `, h('b', {}, duration(timings[name])))),
  h('li', {}, 'in all ', h('b', {}, duration(total)))));
}

/// The tab. `context`: `{app, show(tab, attempt), copy(text, what)}`.
export function makeStory(context) {
  const { app } = context, element = h('div.story');
  let generations = [], asked = null;

  function update(x) {
    if (waits(x).some(wait => wait.ended != null) && asked !== x.id) {
      asked = x.id;
      app.api.get('/api/generations').then(answer => {
        if (!answer.ok) return;
        generations = answer.json.generations ?? [];
        update(x);
      });
    }
    const lines = storyLines(x, { generations, place: app.status?.copy ?? app.status });
    replace(element, h('ol.lines', {}, lines.map(lineNode)), bar(x));
  }

  function lineNode(line) {
    return h('li', { class: `line line-${line.kind}` },
      h('span.at', {}, duration(line.at)),
      h('span.what', {}, h('span.said', {}, visible(line.text)),
        line.note && h('span.note', {}, visible(line.note)),
        line.command && h('span.command', {}, h('code', {}, line.command), button({
          'aria-label': `Copy ${plain(line.command)}`, on: { click: () => context.copy(line.command, 'The command') },
        }, 'Copy'))),
      h('span.acts', {},
        line.isAnswer && button({
          'aria-label': `Show the answer of attempt ${line.attempt}`, on: { click: () => context.show('response', line.attempt) },
        }, 'show'),
        line.isOwn && button({ 'aria-label': "Show Squire's answer", on: { click: () => context.show('response') } }, 'show'),
        line.tab && button({ on: { click: () => context.show(line.tab) } }, 'show'),
        line.canDiffer && button({
          'aria-label': 'Difference of the attempts', on: { click: () => context.differ() },
        }, `diff ${line.attempt - 1}↔${line.attempt}`)));
  }

  return { element, update };
}
