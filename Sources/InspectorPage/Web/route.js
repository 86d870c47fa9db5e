// What the page shows is in the URL's fragment. Pure, but for the last two functions.

const TABS = ['story', 'request', 'response', 'headers', 'explain', 'raw', 'messages'];

/// `{view, id, tab, left, right, q}`: view is list, exchange, diff, send, tokens or help.
export function parse(fragment) {
  const [path, query = ''] = fragment.replace(/^#/, '').split(/\?(.*)/s);
  const q = new URLSearchParams(query).get('q') || '';
  const parts = path.split('/').filter(part => part !== '').map(decode);
  const [view, a, b] = parts;
  if (view === 'x' && a) return { view: 'exchange', id: a, tab: TABS.includes(b) ? b : 'story', q };
  if (view === 'd' && a && b) return { view: 'diff', left: a, right: b, q };
  if (view === 'send') return { view: 'send', id: a || null, q };
  if (view === 'tokens' || view === 'help') return { view, q };
  return { view: 'list', q };
}

function decode(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

export function format(route) {
  const e = encodeURIComponent;
  const path = { exchange: () => `/x/${e(route.id)}/${route.tab || 'story'}`, diff: () => `/d/${e(route.left)}/${e(route.right)}`,
    send: () => route.id ? `/send/${e(route.id)}` : '/send', tokens: () => '/tokens', help: () => '/help', list: () => '/' }[route.view]();
  return '#' + path + (route.q ? `?q=${e(route.q)}` : '');
}

export function current() {
  return parse(location.hash);
}

/// Shows the route; a step of its own in the history unless it replaces the last.
export function show(route, { replaces = false } = {}) {
  const fragment = format(route);
  if (fragment === location.hash || (fragment === '#/' && location.hash === '')) return;
  if (replaces) history.replaceState(null, '', fragment);
  else history.pushState(null, '', fragment);
  dispatchEvent(new HashChangeEvent('hashchange'));
}
