// What happened to an exchange, line by line. Each line has a stamp that was taken; none is inferred.
import { h, replace } from './dom.js';
import { plain, plural, span, visible, duration } from './text.js';
import { size } from './body.js';
import { values } from './octets.js';
import { button } from './panes.js';

/// The lines: `[{at, text, kind, note?, attempt?, command?}]`, ascending by `at`, milliseconds after
/// the beginning. `generations` is what `/api/generations` has of the tokens; `place` where Squire is. Pure.
export function storyLines(x, { generations = [], place = null } = {}) {
  const lines = [], attempts = x.attempt_list ?? [];
  const say = (at, kind, text, more = {}) => lines.push({ at: at ?? x.total_ms ?? 0, kind, text, ...more });
  say(0, 'begin', `${x.method} ${x.target} received${sizeOf(x)}${keptFor(x)}`, { note: origin(x) });
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
    // It goes on once the refresh that it waited for has failed.
    const isLogin = x.code === 'login_needed';
    say(Math.max(last.first_byte ?? 0, waits(x).at(-1)?.ended ?? x.total_ms ?? 0), statusKind(last.status),
      `${last.status} given to your tool${isLogin ? ', marked login needed' : ''}`, {
        attempt: last.n, isAnswer: true, command: isLogin ? loginCommand(place, null) : undefined,
      });
  }
  for (const answer of x.interim ?? []) say(answer.at, 'interim', `${answer.status} passed on to your tool`);
  if (x.own_answer) ownAnswer(say, x, place);
  ending(say, x, attempts);
  // By what is shown of the stamps; a stable sort.
  const shown = line => Math.round(line.at * 10);
  return lines.sort((a, b) => shown(a) - shown(b));
}

export const waits = x => (x.token_waits?.length ? x.token_waits : x.token_wait ? [x.token_wait] : []);

const sizeOf = x => (x.request_bytes ? ` · ${size(x.request_bytes)}` : '');

function keptFor(x) {
  const kept = x.request?.kept_for_replay;
  if (!kept || kept === 'none' || !x.request_bytes) return '';
  return kept === 'file' ? ', kept in a file to be sent again' : ', kept to be sent again';
}

function origin(x) {
  if (x.origin === 'replay') return `sent again from here${x.replay_of ? `, after ${x.replay_of}` : ''}`;
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
  if (attempt.first_byte != null) {
    const why = challenge(attempt), isLast = n === attempts.length;
    say(attempt.first_byte, statusKind(attempt.status), `${attempt.status} ${why ?? attempt.reason ?? ''}`.trim(), {
      attempt: n, isAnswer: true, canDiffer: isLast && n > 1,
      note: attempt.held ? `held: your tool has not seen it${attempt.relayed ? ' yet' : ''}`
        : attempt.relayed ? 'what your tool got' : undefined,
    });
  }
  const received = attempt.body?.size ?? 0;
  if (attempt.ended != null) {
    if (attempt.first_byte == null) {
      say(attempt.ended, 'bad', `attempt ${n} ended without an answer`);
    } else if (attempt.ended - attempt.first_byte >= 0.05 && received > 0) {
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

function waitLines(say, wait, generations, x) {
  const known = generations.find(item => item.generation === wait.generation);
  const others = wait.waiters ?? (wait.led && known?.led_by === x.id ? known.waiters : null);
  const why = wait.for_rejection === false ? `: the token ${expiryWords(wait, generations, x)}` : '';
  if (wait.led) {
    const waiting = others === null ? '' : others === 0 ? ' · none waited for it'
      : ` · ${plural(others, 'other')} waited for it`;
    say(wait.began, 'token', `refresh started by this request${why}${waiting}`);
  } else {
    say(wait.began, 'token', 'waits for the refresh that another request started', {
      note: others === null ? undefined : `${plural(others, 'request')} waited`,
    });
  }
  if (wait.ended == null) {
    if (x.state === 'running') say(x.total_ms, 'running', 'still waiting for a token');
    return;
  }
  const outcome = {
    refreshed: () => {
      const life = typeof known?.expires_at === 'number' && typeof known.issued_at === 'number'
        ? ` · good for ${span(known.expires_at - known.issued_at)}` : '';
      return [wait.generation ? 'token' : 'note', `generation ${wait.generation ?? '?'} arrived${life}`];
    },
    refused: () => ['bad', 'the refresh was refused: a login is needed'],
    failed: () => ['bad', 'the refresh failed'],
    timed_out: () => ['bad', 'the refresh took too long'],
  }[wait.outcome];
  if (outcome) say(wait.ended, ...outcome());
}

/// By the stamps, if the end of the token that was there is known.
function expiryWords(wait, generations, x) {
  const at = (Date.parse(x.at) + wait.began) / 1000;
  const old = generations.filter(item => (wait.generation ? item.generation < wait.generation : item.issued_at <= at)).at(-1);
  if (typeof old?.expires_at !== 'number' || isNaN(at)) return 'was at its end';
  return old.expires_at <= at ? 'had expired' : 'was about to expire';
}

function ownAnswer(say, x, place) {
  const answer = x.own_answer, isLogin = answer.code === 'login_needed';
  say(answer.at ?? x.total_ms, 'bad', `${answer.status} ${answer.code ?? answer.title ?? ''} · Squire's own answer, given to your tool`, {
    isOwn: true, note: answer.detail, command: isLogin ? loginCommand(place, answer) : undefined,
  });
}

/// The command that ends a story which needs a login.
export function loginCommand(place, answer) {
  if (place?.config && !/[^ -~]/.test(place.config)) return `squire login --config ${shellWord(place.config)}`;
  return /run:? (squire login[ -~]*?)\.?$/.exec(answer?.detail ?? '')?.[1] ?? 'squire login';
}

const shellWord = text => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function ending(say, x, attempts) {
  if (x.state === 'running') {
    if (!attempts.length || attempts.at(-1).first_byte === null) say(x.total_ms, 'running', 'no answer yet');
    return;
  }
  const said = x.own_answer ? undefined : x.code ?? undefined;
  const text = {
    client_gone: 'your tool hung up', upstream_failed: x.own_answer ? null : `the upstream failed${said ? `: ${said}` : ''}`,
    shut_down: 'Squire was shut down',
  }[x.outcome];
  if (text) say(x.total_ms, 'bad', text);
  if (x.flags?.includes('websocket') && x.messages?.length) {
    say(x.messages.at(-1).at, 'note', `${plural(x.messages.length, 'message')} in both directions`, { tab: 'messages' });
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
  const track = h('div', { class: 'time-bar', 'aria-hidden': 'true' }, spans.map(item => h('span', {
    class: `span-${item.kind}`, title: `${item.name} ${duration(item.to - item.from)}`,
    style: { left: `${item.from / total * 100}%`, width: `${(item.to - item.from) / total * 100}%` },
  })));
  return h('div', { class: 'timing' }, track, h('ul', { class: 'legend', 'aria-label': 'Where the time went' }, parts.map(([name, what]) =>
    h('li', { class: `key-${name}` }, `${what} `, h('b', {}, duration(timings[name])))),
  h('li', {}, 'in all ', h('b', {}, duration(total)))));
}

/// The tab. `context`: `{app, show(tab, attempt), copy(text, what)}`.
export function makeStory(context) {
  const { app } = context, element = h('div', { class: 'story' });
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
    replace(element, h('ol', { class: 'lines' }, lines.map(lineNode)), bar(x));
  }

  function lineNode(line) {
    return h('li', { class: `line line-${line.kind}` },
      h('span', { class: 'at' }, duration(line.at)),
      h('span', { class: 'what' }, h('span', { class: 'said' }, visible(line.text)),
        line.note && h('span', { class: 'note' }, visible(line.note)),
        line.command && h('span', { class: 'command' }, h('code', {}, line.command), button({
          'aria-label': `Copy ${plain(line.command)}`, on: { click: () => context.copy(line.command, 'The command') },
        }, 'Copy'))),
      h('span', { class: 'acts' },
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
