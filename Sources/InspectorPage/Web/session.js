// The session's card: who is signed in, how long the token lasts by the server's clock, what is wrong and what to do.
import { quote } from './copy.js';
import { button, h, icon, say } from './dom.js';
import { countdown, day, plain, plural, span } from './text.js';

/// What the card says of a session: `{tone, name, words, sign, isCounting, actions}`. Pure. Tones: good, busy, warn, bad,
/// quiet. Actions: refresh, copy, compose.
export function describe(session, isOnline) {
  if (!session) return { tone: 'quiet', name: 'unknown', sign: '○', words: isOnline ? 'Asking for the session' : 'Nothing is known of the session', actions: [] };
  const who = session.subject ? `signed in as ${plain(session.subject)}` : 'signed in';
  const generation = session.generation ? ` · generation ${session.generation}` : '';
  switch (session.state) {
    case 'unused': return { tone: 'quiet', name: 'unused', sign: '○', words: 'No session: headers are set, no token is attached', actions: [] };
    case 'starting': return { tone: session.advice ? 'warn' : 'busy', name: 'starting', sign: '◌', words: session.advice || 'A first token is being asked for', actions: [] };
    case 'refreshing': return { tone: 'busy', name: 'refreshing', sign: '◌', words: 'a new token is being asked for', actions: [], isBusy: true };
    case 'login_needed': return { tone: 'bad', name: 'login needed', sign: '✕', words: session.advice || 'A login is needed', actions: ['copy', 'compose'] };
    case 'none': return { tone: 'warn', name: 'none', sign: '○', words: 'No session yet', more: session.advice, actions: ['copy', 'compose'] };
    default: break;
  }
  if (session.advice) {
    const actions = commandIn(session.advice) ? ['copy', 'refresh'] : ['refresh'];
    return { tone: 'warn', name: 'something is wrong', sign: '▲', words: `${who}${generation}`, more: session.advice, isCounting: true, actions };
  }
  if (session.source === 'given') return { tone: 'good', name: 'attached', sign: '●', words: `attached as it is${generation}; nothing is known about refreshing it`, isCounting: true, actions: [] };
  return { tone: isOnline === false ? 'quiet' : 'good', name: 'usable', sign: '●', words: `${who}${generation}`, isCounting: true, actions: ['refresh'] };
}

/// The command that the advice names.
export function commandIn(advice) {
  const found = /(squire [a-z][^\n]*?)(?:[.;]?\s*$|\. )/.exec(advice || '');
  return found ? found[1] : null;
}

export function loginCommand(app) {
  const named = commandIn(app.session?.advice);
  if (named?.startsWith('squire login')) return named;
  const config = app.status?.copy?.config || app.status?.config;
  return config ? `squire login --config ${quote(config)}` : 'squire login';
}

export function sessionCard(app) {
  const sign = h('span.lamp', { 'aria-hidden': 'true' });
  const words = h('span.who');
  const timer = h('span.left', { role: 'timer', 'aria-live': 'off' });
  const more = h('span.more-words');
  const notes = h('span.quiet.notes');
  const state = h('p', { role: 'status', 'aria-label': 'Session state', class: 'state' }, words, [timer, notes, more].map(part => h('span.part', {}, h('span.dot', { text: ' · ' }), part)));
  const refresh = button({ class: 'button', 'aria-label': 'Refresh now', on: { click: () => ask() } }, icon('refresh'), h('span.narrow-hide', { text: 'Refresh now' }));
  const command = button({ class: 'button', on: { click: () => app.copyText(loginCommand(app), 'The command') } }, icon('copy'), 'Copy command');
  const compose = button({ class: 'button', on: { click: () => app.logIn() } }, icon('send'), 'Log in through Squire');
  const actions = h('span.actions', {}, refresh, command, compose);
  const element = h('section', { 'aria-label': 'Session', class: 'session' }, sign, state, actions);

  const present = h('span');
  const dialog = h('dialog.dialog', { 'aria-labelledby': 'refresh-title' },
    h('h2', { id: 'refresh-title', text: 'Refresh now?' }),
    h('p', {}, 'The present token (generation ', present, ') ends the moment a new one is made. Scripts holding a copy from ', h('code', { text: 'squire token' }), ' must take a new one.'),
    h('p.buttons', {},
      button({ class: 'button primary', on: { click: () => { dialog.close(); isConfirmed = true; start(); } } }, 'Refresh'),
      button({ class: 'button', on: { click: () => dialog.close() } }, 'Leave it')));
  dialog.addEventListener('close', () => refresh.focus());

  let isConfirmed = false, isAsking = false, busySince = null, ticking = null;

  function ask() {
    if (refresh.getAttribute('aria-disabled') === 'true') return;
    if (isConfirmed) return start();
    if (!dialog.isConnected) document.body.append(dialog);
    say(present, String(app.session?.generation ?? ''));
    dialog.showModal();
  }

  async function start() {
    isAsking = true;
    busySince = performance.now();
    update();
    const answer = await app.api.send('POST', '/api/session/refresh');
    isAsking = false;
    if (answer.ok && answer.json?.session) {
      app.setStatus(answer.json);
      app.toast(`Generation ${answer.json.session.generation} is in use`, 'good');
    } else {
      const until = answer.problem.retry_at ? ` It is tried again at ${day(answer.problem.retry_at).slice(-5)}.` : '';
      app.toast(`Not refreshed: ${answer.problem.detail || answer.problem.title}${until}`, 'bad');
    }
    update();
  }

  function left() {
    const session = app.session;
    return session && typeof session.expires_at === 'number' ? session.expires_at - app.clock.now() / 1000 : null;
  }

  function tick() {
    const seconds = left();
    const shown = describe(app.session, app.isOnline);
    if (isAsking || shown.isBusy) {
      const waiting = app.session?.waiters ? ` · ${plural(app.session.waiters, 'request')} wait` : '';
      say(timer, `${((performance.now() - busySince) / 1000).toFixed(1)} s${waiting}`);
    } else if (shown.isCounting && seconds !== null) {
      const isRefreshed = shown.name === 'usable';
      say(timer, seconds > 0 ? `${countdown(seconds)} left` : isRefreshed ? 'expired: the next request refreshes it' : `expired ${span(-seconds)} ago`);
    } else say(timer, '');
    element.dataset.soon = String(shown.isCounting && seconds !== null && seconds < 60 && (seconds > 0 || shown.name !== 'usable'));
    join();
  }

  /// A dot stands between what is there.
  function join() {
    for (const part of [timer, notes, more]) part.parentNode.hidden = part.textContent === '';
  }

  function update() {
    const session = app.session;
    const shown = describe(session, app.isOnline);
    if ((shown.isBusy || isAsking) && busySince === null) busySince = performance.now();
    if (!shown.isBusy && !isAsking) busySince = null;
    element.dataset.tone = isAsking ? 'busy' : shown.tone;
    say(sign, isAsking ? '◌' : shown.sign);
    say(words, isAsking ? 'a new token is being asked for' : shown.words);
    say(more, shown.more && !isAsking ? shown.more : '');
    const facts = [];
    if (shown.isCounting && !isAsking) {
      const margin = app.status?.margin;
      if (app.status && session.source !== 'given' && !(left() <= 0)) facts.push(margin > 0 ? `refreshes ${span(margin)} before` : 'refreshes when the API refuses it');
      if (session.signed_in_at) facts.push(`signed in ${day(session.signed_in_at)}`);
      if (session.clock_skew && Math.abs(session.clock_skew) > 5) facts.push(`the API’s clock is ${span(Math.abs(session.clock_skew))} ${session.clock_skew > 0 ? 'ahead' : 'behind'}`);
    }
    say(notes, facts.join(' · '));
    for (const [name, button] of [['refresh', refresh], ['copy', command], ['compose', compose]]) {
      // Its place stays while a refresh is on its way: what has focus must not vanish.
      // Without a known request that logs in, none can be written.
      button.hidden = name === 'compose' && !app.status?.copy?.sign_in || !(shown.actions.includes(name) || (name === 'refresh' && (isAsking || shown.isBusy)));
    }
    const why = !app.isOnline ? 'Squire does not answer' : isAsking || shown.isBusy ? 'A refresh is on its way' : null;
    for (const button of [refresh, compose]) {
      if (why) { button.setAttribute('aria-disabled', 'true'); button.title = why; } else { button.removeAttribute('aria-disabled'); button.removeAttribute('title'); }
    }
    tick();
    clearInterval(ticking);
    ticking = null;
    if (app.isOnline && (isAsking || shown.isBusy || (shown.isCounting && left() !== null))) ticking = setInterval(tick, isAsking || shown.isBusy ? 100 : 250);
  }

  return { element, update };
}
