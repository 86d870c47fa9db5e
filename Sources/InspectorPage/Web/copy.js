// One exchange as a command, as code or as HTTP that a person pastes elsewhere. None has a secret, and none can do
// anything but send that request: whatever is in it comes from others. Pure.
import { bodyOctets, isNamed, mark, toBase64, utf8, values } from './octets.js';
import { isHostile } from './text.js';

export const forms = [
  { key: 's', form: 's', name: 'curl through Squire' },
  { key: 'd', form: 'd', name: 'curl direct, with the token of now' },
  { key: 't', form: 't', name: 'curl to share' },
  { key: 'h', form: 'h', name: 'HTTPie' },
  { key: 'f', form: 'f', name: 'fetch()' },
  { key: 'w', form: 'w', name: 'Raw request' },
];

/// What may stand on a clipboard: a terminal acts on control characters, and a reader is deceived by the invisible.
export const isPasteable = text => !isHostile(text);

/// A word of a POSIX shell that is the text and nothing else.
export function quote(text) {
  if (/^[A-Za-z0-9_@%+=:,./][A-Za-z0-9_@%+=:,./-]*$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// The sender's own business: each tool makes them anew.
const framing = new Set(['host', 'content-length', 'connection', 'transfer-encoding', 'expect', 'keep-alive',
  'proxy-connection', 'te', 'trailer', 'upgrade', 'proxy-authorization']);

class NotPasteable extends Error {}
const refuse = reason => { throw new NotPasteable(reason); };

/// The text of a form, `{text}`, or `{error}`, which says why there is none. `place` is what `/api/status` says of where
/// Squire and the upstream are, and of how a request carries the token.
export function copyText(form, exchange, place, { isMultiline = false } = {}) {
  try {
    const text = makers[form](requestOf(form, exchange, place), isMultiline);
    // Nothing should come here that is not fit, but this is the last look.
    if (!isPasteable(text)) refuse('it has characters that do not belong on a clipboard');
    return { text };
  } catch (error) {
    if (error instanceof NotPasteable) return { error: error.message };
    throw error;
  }
}

function requestOf(form, exchange, place) {
  const isDirect = form === 'd' || form === 't';
  const request = exchange.request ?? {}, body = request.body ?? {}, missing = [...request.redactions ?? []];
  const given = isDirect ? exchange.sent : request.head;
  if (isCut(body)) refuse(`its body was not kept whole: ${body.kept ?? 0} of ${body.size} octets`);
  if (body.unreadable) refuse(`its body, encoded with ${body.unreadable}, was not kept`);
  if (body.encoding && body.encoding !== 'identity' && bodyOctets(body).length) refuse('its body was sent compressed and is kept as it was before');
  if (exchange.flags?.includes('websocket')) refuse('it is a WebSocket');
  if (exchange.octets) refuse('its target is no UTF-8');
  const target = pasteable(exchange.target, 'target');
  const fields = [];
  // The session's field of then, and of now: a reload may have come between.
  const isToken = ([name, value]) => place.apply && /‹token, generation \d+›/.test(value)
    && (isNamed(name, request.replaced) || isNamed(name, place.apply.field));
  for (const [name, value] of given?.fields ?? []) {
    const key = name.toLowerCase();
    if (framing.has(key) || key.startsWith('x-squire-')) continue;
    // Squire gives each request its own; what a client sent as one was not kept.
    if (isDirect ? isToken([name, value]) : isNamed(name, request.replaced) && mark.test(value)) {
      if (!isDirect) missing.push(`field ${name}`);
      continue;
    }
    if (isDirect && mark.test(value)) missing.push(`field ${name}`);
    // Where one value of the list is no UTF-8, these may be octets and may be letters.
    if (given.octets && /[\u0080-\u00ff]/.test(value)) refuse(`its field ${name} may be no UTF-8`);
    fields.push([pasteable(name, 'field'), pasteable(value, `field ${name}`)]);
  }
  return {
    form, method: pasteable(exchange.method, 'method'), target, fields, place, missing: [...new Set(missing)],
    body: bodyOctets(body), hasToken: isDirect && (given?.fields ?? []).some(isToken),
  };
}

export function isCut(body) {
  if (body.cut !== undefined) return body.cut;
  const whole = body.decoded ?? (body.encoding ? null : body.size);
  return whole != null && (body.kept ?? 0) < whole && !body.redactions?.length;
}

function pasteable(text, name) {
  if (!isPasteable(text) || /\n/.test(text)) refuse(`its ${name} has characters that no clipboard should carry`);
  return text;
}

/// Names in a comment what is not there. Only what no shell that does not know comments could take for something else.
function comment(missing) {
  if (missing.length === 0) return '';
  return `# redacted: ${missing.map(name => name.replace(/[^A-Za-z0-9_./ -]/g, '?')).join(', ')}\n`;
}

function address({ place, target }, isDirect) {
  if (isDirect) return place.upstream.replace(/\/$/, '') + target;
  if (place.proxy) return place.proxy.replace(/\/$/, '') + target;
  if (place.socket) return `http://localhost${target}`;
  return refuse('where Squire listens is not known');
}

function curl(request, isMultiline) {
  const { form, method, target, fields, place, body } = request, isDirect = form === 'd' || form === 't';
  const has = name => values(fields, name).length > 0;
  const url = address(request, isDirect), options = [];
  const text = body.length ? utf8(body) : null, isText = text !== null && isPasteable(text);
  if (method === 'HEAD' && body.length === 0) options.push('--head');
  else if (method !== (body.length ? 'POST' : 'GET')) options.push(`-X ${quote(method)}`);
  if (!isDirect && !place.proxy) options.push(`--unix-socket ${quote(pasteable(place.socket, 'socket'))}`);
  if (form === 'd') options.push(...wayOptions(request));
  if (/[[\]{}]/.test(url)) options.push('--globoff');
  if (/\/(\.|%2e){1,2}(\/|$|\?)/i.test(target)) options.push('--path-as-is');
  // What a URL cannot say, or says otherwise to curl.
  if (/[^!$-~]|[\\^`|"<>#]|^\/\//.test(target)) options.push(`--request-target ${quote(target)}`);
  options.push(quote(/[^!$-~]|#/.test(target) ? url.slice(0, url.length - target.length) + '/' : url));
  // What curl would send by itself.
  for (const name of ['Accept', 'User-Agent']) if (!has(name.toLowerCase())) options.push(`-H '${name}:'`);
  for (const [name, value] of fields) options.push(`-H ${quote(value === '' ? `${name};` : `${name}: ${value}`)}`);
  if (has('accept-encoding')) options.push('--compressed');
  if (form === 's' && place.key_file) options.push(`-H "X-Squire-Key: $(cat ${quote(place.key_file)})"`);
  if (form === 'd' && request.hasToken) {
    const config = place.config ? ` --config ${quote(pasteable(place.config, 'configuration'))}` : '';
    options.push(`-H "$(squire token${config} --format header)"`);
  }
  if (form === 't' && request.hasToken) options.push(`-H ${sharedToken(place.apply)}`);
  let before = '';
  if (body.length) {
    if (!has('content-type')) options.push("-H 'Content-Type:'");
    // curl would wait for a 100 of its own accord.
    if (body.length > 1_000_000) options.push("-H 'Expect:'");
    if (isText) options.push(`--data-raw ${quote(text)}`);
    else {
      before = `printf %s ${quote(toBase64(body))} | base64 -d | `;
      options.push('--data-binary @-');
    }
  }
  return comment(request.missing) + before + ['curl', ...options].join(isMultiline ? ' \\\n  ' : ' ');
}

/// How this machine reaches the upstream. The proxy's credentials are not known here.
function wayOptions({ place, missing }) {
  const way = place.way ?? {};
  if (way.proxy_login) missing.push('login of the proxy');
  return [['--cacert', 'ca'], ['--cert', 'certificate'], ['--key', 'key'], ['--proxy', 'proxy']].filter(([, name]) => way[name])
    .map(([option, name]) => `${option} ${quote(pasteable(way[name], `way: ${name}`))}`);
}

/// A word of a POSIX shell: the field with the token that the shell has in a variable.
function sharedToken({ field, prefix, suffix }) {
  const before = pasteable(`${field}: ${prefix}`, 'session\'s field'), after = pasteable(suffix, 'session\'s field');
  if (/^[A-Za-z0-9_@%+=:,./ -]*$/.test(before) && after === '') return `"${before}$TOKEN"`;
  return `${quote(before)}"$TOKEN"${after === '' ? '' : quote(after)}`;
}

function httpie(request, isMultiline) {
  const { method, target, fields, place, body } = request, has = name => values(fields, name).length > 0;
  if (!/^[A-Za-z]+$/.test(method)) refuse('HTTPie has no such method');
  if (!place.proxy) refuse('HTTPie knows no Unix sockets');
  if (/[^A-Za-z0-9/_.~!$&'()*+,;=:@?%-]|%(?![0-9A-F]{2})|\/\.{1,2}(\/|$|\?)|^\/\/|%(2D|2E|5F|7E|3\d|[46][1-9A-F]|[57][0-9A])/
    .test(target)) refuse('HTTPie would send another target');
  const text = utf8(body);
  if (text === null || !isPasteable(text)) refuse('its body is not a text that can be pasted');
  const words = ['--ignore-stdin'];
  if (body.length) words.push(`--raw ${quote(text)}`.replace('--raw ', '--raw='));
  words.push(method, quote(address(request, false)));
  for (const name of ['Accept', 'Accept-Encoding', 'User-Agent', ...body.length ? ['Content-Type'] : []]) {
    if (!has(name.toLowerCase())) words.push(`${name}:`);
  }
  for (const [name, value] of fields) {
    // A backslash takes the meaning from what follows, and none from itself.
    if (/\\[:;=@[\]\\]|\\$/.test(value)) refuse(`HTTPie cannot be told its field ${name}`);
    words.push(quote(value === '' ? `${name};` : `${name}: ${value}`));
  }
  if (place.key_file) words.push(`"X-Squire-Key: $(cat ${quote(place.key_file)})"`);
  return comment(request.missing) + ['http', ...words].join(isMultiline ? ' \\\n  ' : ' ');
}

/// A string of JavaScript in which nothing is invisible.
function literal(text) {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, character =>
    isPasteable(character) ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function fetchCall(request) {
  const { method, fields, place, body } = request;
  if (!place.proxy) refuse('fetch() knows no Unix sockets');
  if (/^(CONNECT|TRACE|TRACK)$/i.test(method)) refuse('fetch() has no such method');
  if (/^(delete|get|head|options|post|put)$/i.test(method) && method !== method.toUpperCase()) {
    refuse('fetch() would send its method in capitals');
  }
  if (/^(GET|HEAD)$/.test(method) && body.length) refuse(`fetch() sends no body with ${method}`);
  if (/[^!$-~]|[\\#]|^\/\/|\/(\.|%2e){1,2}(\/|$|\?)/i.test(request.target) || /["<>^`{}|']/.test(request.target)) {
    refuse('fetch() would send another target');
  }
  const text = body.length ? utf8(body) : null;
  const options = [`  method: ${literal(method)},`, '  headers: ['];
  for (const [name, value] of fields) options.push(`    [${literal(name)}, ${literal(value)}],`);
  if (place.key_file) options.push('    ["X-Squire-Key", KEY],');
  options.push('  ],');
  if (text !== null) options.push(`  body: ${literal(text)},`);
  else if (body.length) options.push(`  body: Uint8Array.from(atob("${toBase64(body)}"), c => c.charCodeAt(0)),`);
  const missing = request.missing.map(name => name.replace(/[^A-Za-z0-9_./ -]/g, '?')).join(', ');
  return (missing ? `// redacted: ${missing}\n` : '')
    + `await fetch(${literal(address(request, false))}, {\n${options.join('\n')}\n});`;
}

function raw(request) {
  const { method, target, fields, place, body } = request;
  const text = utf8(body);
  if (text === null || !isPasteable(text)) refuse('its body is no text that can be pasted: download it');
  const host = (place.proxy ?? 'http://localhost').replace(/^https?:\/\//, '').replace(/\/$/, '');
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`];
  for (const [name, value] of fields) lines.push(`${name}: ${value}`);
  if (body.length) lines.push(`Content-Length: ${body.length}`);
  return `${lines.join('\n')}\n\n${text}`;
}

const makers = { s: curl, d: curl, t: curl, h: httpie, f: fetchCall, w: raw };
