// The strip of generations: what each token served, who asked for it, why it ended. A line above the list, and a view of
// its own with a table.
import { button, h, replace, say, svg } from './dom.js';
import { sheetHead } from './panes.js';
import { day, duration, number, plain, plural, span, time } from './text.js';

const FROM = { stored: 'from the session file', login: 'login', sign_in: 'sign-in', refresh: 'refresh', adopted: 'adopted' };
const CAUSE = { expiry: 'expiry', rejected: 'rejected', manual: 'asked for', client: 'a client’s refresh' };
const ENDED = { rejected: 'rejected', expiry: 'expiry', manual: 'refreshed by hand', client: 'a client’s refresh', login: 'a login', logout: 'logout', adopted: 'adopted another' };

/// What is drawn: `{from, to, now, segments: [{g, from, to, isPresent, idleFrom, staleFrom}], failures, events}`, moments
/// being milliseconds. Beyond its end a token is idle, which is usual, or stale: a new one could not be had. Pure.
export function timeline({ generations, failures, events }, now, limit = 12) {
  const shown = generations.slice(-limit);
  const segments = shown.map(g => {
    const from = Date.parse(g.at);
    const isPresent = !g.ended_at;
    const expires = typeof g.expires_at === 'number' ? g.expires_at * 1000 : null;
    const to = isPresent ? now : Date.parse(g.ended_at);
    const end = expires !== null && expires < to ? Math.max(from, expires) : null;
    const isStale = end !== null && failures.some(f => Date.parse(f.at) >= Math.max(from, end - 60000) && Date.parse(f.at) <= to);
    return { g, from, to: Math.max(from, to), isPresent, expires, idleFrom: isStale ? null : end, staleFrom: isStale ? end : null };
  });
  const present = segments.find(s => s.isPresent);
  const from = segments.length ? segments[0].from : now - 60000;
  // The future as far as the present token goes, but never more than half of the picture.
  const end = present?.expires && present.expires > now ? Math.min(present.expires, now + Math.max(now - from, 60000)) : now;
  const inside = ({ at }) => Date.parse(at) >= from;
  return { from, to: Math.max(end, from + 1000), now, segments, failures: failures.filter(inside), events: events.filter(inside), isCutAhead: !!present?.expires && present.expires > end };
}

/// Where a label of that width fits between the two, beside what is marked there; null if nowhere.
function free(left, right, wide, marks) {
  let at = left;
  for (const m of marks) if (m > at - 8 && m < at + wide + 8) at = m + 8;
  return at + wide <= right ? at : null;
}

function draw(line, width, height, isTall) {
  const x = at => (at - line.from) / (line.to - line.from) * width;
  const nodes = [];
  const top = isTall ? 22 : 2, bottom = height - (isTall ? 6 : 2), band = bottom - top;
  nodes.push(svg('defs', {}, svg('pattern', { id: isTall ? 'stale-tall' : 'stale', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' }, svg('rect', { class: 'stale-line', width: 2.5, height: 6 }))));
  const labels = [], marks = [...line.failures.map(f => x(Date.parse(f.at))), Math.min(width - 4, x(line.now))].sort((a, b) => a - b);
  // From the present one back: its number always stands, others where there is room.
  let room = width;
  for (const s of [...line.segments].reverse()) {
    const name = isTall ? String(s.g.generation) : `gen ${s.g.generation}`, wide = name.length * 6.3;
    const at = free(x(s.from) + 6, s.isPresent ? width : Math.min(room - 6, x(s.to)), wide, marks) ?? (s.isPresent ? Math.max(0, Math.min(x(s.from), width) - wide - 12) : null);
    if (at === null) continue;
    room = Math.min(room, at);
    labels.push(svg('text', { class: at > x(s.to) ? 'number out' : 'number', x: at, y: top + band / 2 + 3.5 }, name));
  }
  line.segments.forEach((s, i) => {
    const left = x(s.from), wide = Math.max(2, x(s.idleFrom ?? s.to) - left);
    nodes.push(svg('rect', { class: `life ${s.isPresent ? 'present' : i % 2 ? 'odd' : 'even'}`, x: left + (i ? 1 : 0), y: top, width: Math.max(1, wide - (i ? 1 : 0)), height: band, rx: 2 }));
    if (s.staleFrom !== null) nodes.push(svg('rect', { x: x(s.staleFrom), y: top, width: Math.max(1, x(s.to) - x(s.staleFrom)), height: band, fill: `url(#${isTall ? 'stale-tall' : 'stale'})` }));
    if (s.idleFrom !== null) nodes.push(svg('line', { class: 'ahead', x1: x(s.idleFrom), x2: x(s.to), y1: top + band / 2, y2: top + band / 2 }));
    if (s.isPresent && s.expires > line.now) nodes.push(svg('line', { class: 'ahead', x1: x(line.now), x2: x(Math.min(s.expires, line.to)), y1: top + band / 2, y2: top + band / 2 }), line.isCutAhead ? null : svg('line', { class: 'expiry', x1: x(s.expires) - 1, x2: x(s.expires) - 1, y1: top, y2: bottom }));
    if (isTall && (wide > 52 || s.isPresent) && left < width - 40) nodes.push(svg('text', { class: 'clock', x: left, y: 13 }, time(s.from).slice(0, 5)));
  });
  for (const failure of line.failures) nodes.push(svg('text', { class: 'failure', x: x(Date.parse(failure.at)), y: top + band / 2 + 4, 'text-anchor': 'middle' }, '✕'));
  nodes.push(...labels);
  if (line.segments.length) nodes.push(svg('circle', { class: 'now', cx: Math.min(width - 4, x(line.now)), cy: top + band / 2, r: isTall ? 5 : 4 }));
  return nodes;
}

/// In words, for who cannot see the picture.
function summary(line) {
  const last = line.segments[line.segments.length - 1];
  if (!last) return 'No token so far';
  const until = last.expires < line.now && last.expires ? ', which has expired' : last.expires ? `, good until ${time(last.expires).slice(0, 5)}` : '';
  return `${plural(line.segments.length, 'generation')} since ${time(line.from).slice(0, 5)}; now generation ${last.g.generation}${last.isPresent ? until : ', which has ended'}`
    + (line.failures.length ? `; ${plural(line.failures.length, 'refresh', 'refreshes')} failed` : '');
}

function born(g) {
  const how = FROM[g.from] || g.from;
  return g.from === 'refresh' ? `${CAUSE[g.cause] || g.cause || 'refresh'}` : how;
}

/// The line above the list.
export function stripLine(app) {
  const picture = svg('svg', { class: 'line-picture', role: 'img', preserveAspectRatio: 'none', height: 18 });
  const open = button({ class: 'button quiet-button', on: { click: () => app.toggle('tokens') } }, 'Tokens');
  open.title = 'Tokens (t)';
  const element = h('div.strip-line', {}, picture, open);
  let drawn = null, drawnAt = 0;
  /// Its picture moves a pixel in seconds: once a second is enough.
  function update() {
    open.setAttribute('aria-pressed', String(app.route.view === 'tokens'));
    // Without a session there is nothing to draw.
    element.dataset.none = String(!app.generations.generations.length && ['none', 'unused'].includes(app.session?.state));
    if (drawn === app.generations && performance.now() - drawnAt < 1000) return;
    redraw();
  }
  function redraw() {
    drawn = app.generations;
    drawnAt = performance.now();
    const width = Math.max(100, picture.clientWidth || 600);
    const line = timeline(app.generations, app.clock.now());
    picture.setAttribute('viewBox', `0 0 ${width} 18`);
    picture.setAttribute('aria-label', summary(line));
    replace(picture, draw(line, width, 18, false));
    element.dataset.empty = String(line.segments.length === 0);
  }
  new ResizeObserver(redraw).observe(picture);
  return { element, update };
}

/// The view of its own.
export function tokensView(app) {
  const picture = svg('svg', { class: 'tall-picture', role: 'img', height: 64 });
  const words = h('p.quiet');
  const cards = h('ol.lives');
  const body = h('tbody');
  const table = h('table.table', { 'aria-label': 'Generations' },
    h('thead', {}, h('tr', {}, ['gen', 'born', 'why', 'took', 'waited', 'led by', 'served', 'refused', 'lived', 'ended by', ''].map(t => t ? h('th', { scope: 'col', text: t }) : h('td')))), body);
  const failures = h('ul.facts');
  const events = h('ul.facts');
  const failuresPart = h('section', {}, h('h3', { text: 'Refreshes that failed' }), failures);
  const eventsPart = h('section', {}, h('h3', { text: 'What else happened to the session' }), events);
  const element = h('section.sheet-inner.tokens', { 'aria-labelledby': 'tokens-title', tabIndex: -1 },
    sheetHead(app, 'tokens-title', 'Tokens'), words, h('div.picture-box', {}, picture), cards,
    h('div.scroll-x', { tabIndex: 0, role: 'region', 'aria-label': 'The table of generations' }, table), h('div.two', {}, failuresPart, eventsPart),
    h('p.quiet.small', { text: 'Numbers of generations are this process’s own: after a restart of Squire they begin again.' }));

  const these = g => button({ class: 'link', 'aria-label': `Show these: generation ${g.generation}`, on: { click: () => app.filter(`gen:${g.generation}`) } }, 'show these');
  const leader = id => id ? h('a.id', { href: `#/x/${encodeURIComponent(id)}/story` }, id) : null;

  function card({ g, isPresent, from, to, idleFrom, staleFrom, expires }, line) {
    const during = line.failures.filter(f => Date.parse(f.at) >= from && Date.parse(f.at) <= to);
    const how = g.from === 'refresh' ? `↻ ${born(g)}` : born(g);
    return h('li', { class: isPresent ? 'present' : '' },
      h('p.life-head', {}, h('b', { text: `Generation ${g.generation}` }), h('span.quiet', { text: isPresent ? `since ${time(from)}` : `${time(from)} – ${time(to)}` })),
      h('p', {}, how, g.took_ms !== null && g.took_ms !== undefined ? ` · ${duration(g.took_ms)}` : ''),
      g.from === 'refresh' ? h('p.quiet', {}, g.led_by ? ['led by ', leader(g.led_by), ', '] : '', g.waiters ? `${number(g.waiters)} waited` : 'none waited') : null,
      h('p', {}, plural(g.served, 'served', 'served'), g.refused ? `, ${number(g.refused)} refused` : '', g.running ? `, ${number(g.running)} on their way` : ''),
      during.map(f => h('p.bad-words', { text: `✕ ${time(f.at)} refresh failed: ${plain(f.detail || f.class)}` })),
      staleFrom !== null ? h('p.warn-words', { text: isPresent ? 'expired: a new one cannot be had yet' : `for ${span((to - staleFrom) / 1000)} beyond its end no new one could be had` }) : null,
      isPresent && idleFrom !== null ? h('p.quiet', { text: 'expired; the next request refreshes it' }) : null,
      isPresent && expires > line.now ? h('p.quiet', { text: `expires ${time(expires)}` }) : null,
      these(g));
  }

  function update() {
    const line = timeline(app.generations, app.clock.now());
    const width = Math.max(240, picture.clientWidth || 900);
    picture.setAttribute('viewBox', `0 0 ${width} 64`);
    picture.setAttribute('aria-label', summary(line));
    replace(picture, draw(line, width, 64, true));
    say(words, summary(line));
    if (element.contains(document.activeElement) && document.activeElement !== element) return refreshLater();
    replace(cards, line.segments.slice(-4).reverse().map(s => card(s, line)));
    replace(body, app.generations.generations.slice().reverse().map(g => h('tr', { class: g.ended_at ? '' : 'present' },
      h('th', { scope: 'row', text: String(g.generation) }), h('td', { text: time(g.at) }), h('td', { text: born(g) }), h('td', { text: g.took_ms === null || g.took_ms === undefined ? '–' : duration(g.took_ms) }),
      h('td', { text: g.from !== 'refresh' ? '–' : number(g.waiters ?? 0) }), h('td', {}, leader(g.led_by) || '–'), h('td', { text: number(g.served) }), h('td', { text: number(g.refused) }),
      h('td', { text: g.ended_at ? span((Date.parse(g.ended_at) - Date.parse(g.at)) / 1000) : `${span((app.clock.now() - Date.parse(g.at)) / 1000)} …` }), h('td', { text: g.ended_by ? ENDED[g.ended_by] || g.ended_by : '–' }), h('td', {}, these(g)))));
    const recent = app.generations.failures.slice(-20).reverse();
    replace(failures, recent.map(f => h('li', {}, h('time', { text: day(f.at) }), ` ${plain(f.class)}${f.status ? ` ${f.status}` : ''}: ${plain(f.detail || '')}`, f.retry_at ? h('span.quiet', { text: ` · tried again ${time(f.retry_at)}` }) : null)));
    failuresPart.hidden = recent.length === 0;
    replace(events, app.generations.events.slice(-20).reverse().map(e => h('li', {}, h('time', { text: day(e.at) }), ` ${plain(e.what.replaceAll('_', ' '))}`, e.detail ? h('span.quiet', { text: ` · ${plain(e.detail)}` }) : null)));
    eventsPart.hidden = app.generations.events.length === 0;
  }

  // A link that has focus is not replaced under it.
  function refreshLater() {
    element.addEventListener('focusout', () => setTimeout(() => { if (app.route.view === 'tokens') update(); }), { once: true });
  }

  let isWatched = false, shown = null, shownAt = 0;
  return {
    element,
    update() {
      if (shown === app.generations && performance.now() - shownAt < 1000 && element.isConnected) return;
      shown = app.generations;
      shownAt = performance.now();
      update();
      if (isWatched) return;
      isWatched = true;
      new ResizeObserver(update).observe(picture);
    },
  };
}

export const emptyGenerations = { now: null, generations: [], failures: [], events: [] };

/// A new or changed entry among the others.
export function withGeneration(all, entry) {
  const rest = all.generations.filter(g => g.generation !== entry.generation);
  return { ...all, generations: [...rest, entry].sort((a, b) => a.generation - b.generation).slice(-64) };
}
