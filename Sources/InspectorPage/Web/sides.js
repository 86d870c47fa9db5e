// The tabs Request, Response and Raw.
import { makeBody } from './body.js';
import { button, h, replace } from './dom.js';
import { fieldTable } from './headers.js';
import { bodyOctets, utf8 } from './octets.js';
import { address, textPane } from './panes.js';
import { plural, visible } from './text.js';

/// The parameters of a target, decoded: `[name, value]`; as they stand if they are no UTF-8. Pure.
export function parameters(target) {
  const query = /\?([^#]*)/.exec(target)?.[1];
  if (!query) return [];
  const decode = text => {
    try {
      return decodeURIComponent(text.replaceAll('+', ' '));
    } catch {
      return text;
    }
  };
  return query.split('&').filter(Boolean).slice(0, 500).map(part => {
    const at = part.indexOf('=');
    return at < 0 ? [decode(part), ''] : [decode(part.slice(0, at)), decode(part.slice(at + 1))];
  });
}

function folding(title, content) {
  return h('details.folding', {}, h('summary', {}, title), content);
}

/// The tab Request.
export function makeRequest({ app }, x) {
  const line = h('div.head-line'), query = h('div'), fields = h('div');
  const body = makeBody(app, { label: 'Body of the request', path: `${address(x.id)}/body`, file: `${x.id}-request.bin` });
  const element = h('div.side', {}, line, query, fields, body.element);
  let drawn = false;

  function update(x) {
    // The head does not change; what a person has unfolded stays unfolded.
    if (!drawn) {
      const given = parameters(x.target), head = x.request?.head;
      replace(line, h('code', {}, h('b', {}, visible(x.method)), ' ', visible(x.target), ` HTTP/${head?.version ?? '1.1'}`));
      replace(query, given.length > 0 && h('details.folding', { open: true },
        h('summary', {}, plural(given.length, 'parameter')), fieldTable('Parameters', given)));
      replace(fields, head?.fields?.length > 0
        && folding(`${plural(head.fields.length, 'field')} of the client`, fieldTable('Fields of the client', head.fields)));
      drawn = Boolean(head);
    }
    body.update(x.request?.body ?? {}, x.state === 'running');
  }

  return { element, update };
}

/// The tab Response: what the tool got first; with a choice where there were several answers.
export function makeResponse({ app }, first) {
  const choice = h('div'), content = h('div.side'), element = h('div.side', {}, choice, content);
  let chosen = null, shown = null, body = null, exchange = first;

  const answered = x => (x.attempt_list ?? []).filter(attempt => attempt.status);
  const isOwn = x => x.own_answer && !answered(x).some(attempt => attempt.relayed);

  function choose(n) {
    chosen = n;
    update(exchange);
    choice.querySelector('[aria-pressed="true"]')?.focus();
  }

  function update(x) {
    exchange = x;
    const attempts = answered(x), own = isOwn(x) ? 'own' : null;
    const n = chosen ?? own ?? (attempts.find(attempt => attempt.relayed) ?? attempts.at(-1))?.n ?? null;
    const all = [...attempts.map(attempt => ({
      n: attempt.n, text: (attempts.length > 1 || own ? `attempt ${attempt.n} · ` : '') + attempt.status
        + (attempt.held && !attempt.relayed ? ' · held' : ''),
    })), ...own ? [{ n: 'own', text: `Squire · ${x.own_answer.status}` }] : []];
    const focused = choice.contains(document.activeElement);
    replace(choice, all.length > 1 && h('span.segments', { role: 'group', 'aria-label': 'Answer' }, all.map(item => button({
      'aria-pressed': String(item.n === n), on: { click: () => choose(item.n) },
    }, item.text))));
    if (focused) choice.querySelector('[aria-pressed="true"]')?.focus();
    const attempt = attempts.find(item => item.n === n);
    if (n !== shown) {
      shown = n;
      body = null;
      if (n === 'own') drawOwn(x);
      else if (attempt) drawAttempt(x, attempt);
      else {
        shown = null;
        replace(content, h('p.dim', {}, x.state === 'running' ? 'No answer yet.' : 'There was no answer.'));
      }
    }
    if (attempt && body) body.update(attempt.body ?? {}, x.state === 'running');
  }

  function drawAttempt(x, attempt) {
    const path = `${address(x.id)}/attempts/${attempt.n}`;
    body = makeBody(app, {
      label: 'Body of the answer', path: `${path}/body`, preview: `${path}/preview`, file: `${x.id}-${attempt.n}.bin`,
    });
    replace(content,
      h('div.head-line', {}, h('code', {}, h('b', {}, attempt.status), ' ', visible(attempt.reason ?? ''))),
      attempt.fields?.length > 0
        && folding(`${plural(attempt.fields.length, 'field')} of the answer`, fieldTable('Fields of the answer', attempt.fields)),
      body.element);
  }

  function drawOwn(x) {
    const text = ownText(x), size = new TextEncoder().encode(text).length;
    const own = makeBody(app, { label: "Squire's own answer", path: null });
    own.update({ text, size, kept: size, type: 'application/problem+json' });
    replace(content,
      h('div.head-line', {}, h('code', {}, h('b', {}, x.own_answer.status), ' ', visible(x.own_answer.title ?? ''))),
      x.own_answer.detail && h('p.detail', {}, visible(x.own_answer.detail)), own.element);
  }

  return { element, update, choose: n => { chosen = n; } };
}

/// As it was sent, but for the stamp that is the recording's.
function ownText(x) {
  const { at, text, ...problem } = x.own_answer;
  return text ?? JSON.stringify(problem, null, 2);
}

const rawLimit = 20000;

/// The messages as they are written on a connection, as far as they are kept. Pure.
export function rawTexts(x) {
  const head = (line, fields) => [line, ...(fields ?? []).map(([name, value]) => `${name}: ${value}`)].join('\n');
  const content = body => {
    const bytes = bodyOctets(body), text = utf8(bytes);
    if (bytes.length === 0) return body?.size ? `\n\n(${body.size} octets, not kept)` : '';
    if (text === null) return `\n\n(${bytes.length} octets that are no text)`;
    return `\n\n${text.slice(0, rawLimit)}${text.length > rawLimit ? '\n(more under its own tab)' : ''}`;
  };
  const texts = [{
    name: 'From the client',
    text: head(`${x.method} ${x.target} HTTP/${x.request?.head?.version ?? '1.1'}`, x.request?.head?.fields) + content(x.request?.body),
  }];
  if (x.sent?.fields?.length) {
    texts.push({ name: 'To the upstream', text: head(`${x.method} ${x.sent.target ?? x.target} HTTP/1.1`, x.sent.fields) });
  }
  for (const attempt of x.attempt_list ?? []) {
    if (!attempt.status) continue;
    const line = `HTTP/${attempt.version ?? '1.1'} ${attempt.status} ${attempt.reason ?? ''}`;
    const which = x.attempt_list.length > 1 ? `, attempt ${attempt.n}` : '';
    texts.push({ name: `From the upstream${which}`, text: head(line, attempt.fields) + content(attempt.body) });
  }
  if (x.own_answer) texts.push({ name: "Squire's own answer", text: ownText(x) });
  return texts;
}

/// The tab Raw.
export function makeRaw() {
  const element = h('div.side');
  let drawn = '';

  function update(x) {
    const texts = rawTexts(x), key = JSON.stringify(texts);
    if (key === drawn) return;
    drawn = key;
    replace(element, h('p.dim', {}, 'As it was, without framing; what is secret is replaced.'),
      texts.map(({ name, text }) => h('section', {}, h('h3', {}, name), textPane(text, name))));
  }

  return { element, update };
}
