// Keeps the page up to date: the list first, then a stream of server-sent events from there on; when there can be none,
// questions each second. Knows the server's clock, and what to say while nothing answers.
import * as api from './api.js';

const LIMIT = 1000;
/// No comment for so long: the stream is dead, whatever the system says. The server sends one each 15 s.
const SILENCE = 40000;
const PAUSES = [500, 1000, 2000, 4000, 8000];

/// The server's wall clock in milliseconds. It counts on the monotonic clock: this machine's may be set meanwhile.
export function makeClock() {
  let at = Date.now(), taken = performance.now();
  return {
    sync(moment) {
      const parsed = Date.parse(moment);
      if (!isNaN(parsed)) { at = parsed; taken = performance.now(); }
    },
    /// A moment that is known to about a second only.
    nudge(moment) {
      const now = at + (performance.now() - taken);
      if (moment > now + 1500 || moment < now - 1500) { at = moment + 500; taken = performance.now(); }
    },
    now: () => at + (performance.now() - taken),
  };
}

/// Takes text as it comes; gives `{event, data, id}` for each whole event. Pure.
export function makeParser(give) {
  let rest = '', event = '', data = [], id = null;
  return text => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (let line of lines) {
      if (line.endsWith('\r')) line = line.slice(0, -1);
      if (line === '') {
        if (data.length) give({ event: event || 'message', data: data.join('\n'), id });
        event = ''; data = []; id = null;
        continue;
      }
      const colon = line.indexOf(':');
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'event') event = value;
      else if (name === 'data') data.push(value);
      else if (name === 'id') id = value;
    }
  };
}

/// `on` is told: `state({kind, …})`, `event(name, data)`, `list(answer)`, `older(summaries)`, `status(object)`. Kinds:
/// loading, live, polling, hidden, lost {retryAt, problem}, key {isWrong}, refused {problem}.
export function makeFeed(store, clock, on) {
  let abort = null, stopped = false, generation = 0, failures = 0, mayStream = 0, isTried = false;
  let state = { kind: 'loading' };
  let wake = null;

  function enter(next) {
    state = next;
    on.state(next);
  }

  /// Waits, unless woken.
  function pause(ms) {
    return new Promise(done => {
      const timer = setTimeout(done, ms);
      wake = () => { clearTimeout(timer); done(); };
    });
  }

  async function run() {
    const mine = ++generation;
    while (!stopped && mine === generation) {
      if (document.visibilityState === 'hidden') {
        // Streams are few, and nobody looks: let go, and go on where it was.
        if (state.kind !== 'loading') enter({ kind: 'hidden' });
        await pause(3600000);
        continue;
      }
      abort = new AbortController();
      let result;
      try { result = await once(abort.signal); } catch (error) {
        result = error && error.name === 'AbortError' ? { kind: 'again' } : { kind: 'lost' };
        if (result.kind === 'lost' && error && !(error instanceof TypeError) && error.name !== 'TypeError') console.error(error);
      }
      if (mine !== generation) return;
      if (result.kind === 'again') continue;
      if (result.kind === 'lost') {
        const ms = PAUSES[Math.min(failures++, PAUSES.length - 1)];
        enter({ kind: 'lost', retryAt: performance.now() + ms, why: result.why });
        await pause(ms);
        continue;
      }
      // A person must do something first.
      enter(result);
      if (result.kind === 'key') { await pause(3600000); continue; }
      await pause(5000);
    }
  }

  /// How an answer that is none is shown.
  function refusal(result) {
    if (result.status === 0) return { kind: 'lost' };
    if (result.problem.code === 'wrong_key') {
      api.setKey(null);
      return { kind: 'key', isWrong: isTried };
    }
    if (result.status === 503) return { kind: 'lost', why: result.problem.detail };
    return { kind: 'refused', problem: result.problem };
  }

  async function once(signal) {
    const catching = catchUp(signal).catch(error => error);
    const status = await api.get('/api/status', { signal });
    if (!status.ok) return refusal(status);
    on.status(status.json);
    const refused = await catching;
    if (refused instanceof Error) throw refused;
    if (refused) return refused;
    const lock = performance.now() >= mayStream ? await place() : null;
    if (!lock) return poll(signal);
    try { return await stream(signal); } finally { lock.release(); }
  }

  /// One of the three places of a stream among this browser's tabs, if one is free. Where there are no locks (plain http
  /// to another machine), everybody has one.
  async function place() {
    if (!navigator.locks) return { release() {} };
    for (const name of ['feed-1', 'feed-2', 'feed-3']) {
      const lock = await new Promise(done => {
        navigator.locks.request(name, { ifAvailable: true }, held => {
          if (!held) return done(null);
          return new Promise(release => done({ release }));
        }).catch(() => done({ release() {} }));
      });
      if (lock) return lock;
    }
    return null;
  }

  /// Everything up to now: the newest at first, what has changed since then.
  async function catchUp(signal) {
    const isFirst = store.run === null;
    for (let more = true; more;) {
      const answer = await api.get(`/api/exchanges?limit=${LIMIT}${store.run === null ? '' : `&after=${store.run}-${store.seq}`}`, { signal });
      if (!answer.ok) return refusal(answer);
      const list = answer.json;
      if (store.run !== null && store.run !== list.run) {
        on.event('reset', { why: 'restart' });
        store.run = null;
        continue;
      }
      const wasFirst = store.run === null;
      store.run = list.run;
      store.put(list.exchanges);
      if (wasFirst) {
        store.seq = Math.max(store.seq, list.seq);
        if (isFirst) older(list, signal);
      }
      on.list(list);
      more = !wasFirst && list.more === true && list.exchanges.length > 0;
    }
    return null;
  }

  /// What was kept before, in the background, newest first.
  async function older(list, signal) {
    try {
      while (list.more && list.exchanges.length && store.rows.length < 100000) {
        const answer = await api.get(`/api/exchanges?limit=${LIMIT}&before=${list.run}-${list.exchanges[0].seq}`, { signal });
        if (!answer.ok || answer.json.run !== store.run) return;
        list = answer.json;
        store.prepend(list.exchanges);
      }
    } catch { /* Aborted: what is there will do. */ }
  }

  async function stream(signal) {
    const response = await api.ask(`/api/events?after=${store.run}-${store.seq}`, { signal });
    if (!response.ok) {
      let problem = { status: response.status, detail: `Squire answered with status ${response.status}.`, code: null };
      try { problem = await response.json(); } catch { /* It says nothing more. */ }
      if (response.status === 503) {
        mayStream = performance.now() + 1000 * Math.max(5, Number(response.headers.get('Retry-After')) || 0);
        return poll(signal);
      }
      return refusal({ status: response.status, problem });
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let isEnding = false;
    const parse = makeParser(({ event, data }) => {
      let value;
      try { value = JSON.parse(data); } catch { return; }
      if (event === 'hello') {
        clock.sync(value.now);
        if (store.run !== null && store.run !== value.run) on.event('reset', { why: 'restart' });
        store.run = value.run;
        failures = 0;
        enter({ kind: 'live' });
      }
      if (event === 'stats') clock.sync(value.at);
      if (event === 'bye') isEnding = true;
      if (event === 'exchanges') store.put(value);
      else on.event(event, value);
    });
    for (;;) {
      let timer;
      const silence = new Promise((_, fail) => { timer = setTimeout(() => fail(new TypeError('silence')), SILENCE); });
      let part;
      try { part = await Promise.race([reader.read(), silence]); } finally { clearTimeout(timer); }
      if (part.done) return { kind: 'lost', why: isEnding ? 'Squire has ended.' : undefined };
      parse(part.value);
    }
  }

  /// For as long as no stream can be had.
  async function poll(signal) {
    enter({ kind: 'polling' });
    failures = 0;
    for (let turn = 1; ; turn++) {
      await pause(1000);
      if (signal.aborted) return { kind: 'again' };
      const refused = await catchUp(signal);
      if (refused) return refused;
      const status = await api.get('/api/status', { signal });
      if (!status.ok) return refusal(status);
      on.status(status.json);
      if (turn % 5 === 0 && performance.now() >= mayStream) {
        const lock = await place();
        if (!lock) continue;
        try { return await stream(signal); } finally { lock.release(); }
      }
    }
  }

  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') abort?.abort(); else wake?.();
  });
  addEventListener('online', () => wake?.());

  return {
    start: run,
    get state() { return state; },
    /// Tries at once.
    retry() { failures = 0; wake?.(); },
    /// With that key.
    open(key) { isTried = true; api.setKey(key); wake?.(); },
    stop() { stopped = true; generation++; abort?.abort(); wake?.(); },
  };
}
