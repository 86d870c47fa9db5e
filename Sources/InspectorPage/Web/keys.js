// Keys: in the list, the detail, a sheet, the bar, or on the page itself, never in a field, never with Ctrl, Alt or Meta.

const FIELDS = 'input, textarea, select, [contenteditable], [role=combobox], [role=textbox]';
const PLACES = 'main, aside, header';

/// Whether a key there is a person's word to the page. Pure, but for the element's surroundings.
export function isForPage(event) {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return false;
  const target = event.target instanceof Element ? event.target : document.body;
  if (target.closest(FIELDS) && !target.matches('[type=checkbox], [type=radio], [type=button]')) return false;
  if (document.querySelector('dialog[open]')) return false;
  return target === document.body || target === document.documentElement || event.key === 'Escape' || !!target.closest(PLACES);
}

/// Has `app`, with its list and the view that is open, act by keys.
export function listen(app) {
  document.addEventListener('keydown', event => {
    if (!isForPage(event)) return;
    if (event.key.length === 1 && !app.prefs.get('keys')) return;
    if (act(app, event)) event.preventDefault();
  });
}

function act(app, event) {
  const { list, route } = app;
  const target = event.target instanceof Element ? event.target : document.body;
  const isInDetail = !!target.closest('aside, .sheet');
  const isOnControl = target.matches('button, a[href], summary, [role=tab], [role=menuitem], [type=checkbox], [type=radio]');
  const isScrollable = isInDetail && !isOnControl;
  const id = route.view === 'exchange' ? route.id : list.selected;
  const open = app.openView();

  // An open menu, or tabs, first; then what the view knows.
  if (open?.key && (route.view !== 'exchange' || event.key !== 'Escape' || isInDetail) && open.key(event)) return true;

  switch (event.key) {
    case 'Escape':
      if (route.view !== 'list') return app.close(), true;
      if (list.selected !== null) return app.select(null), true;
      return false;
    case 'ArrowLeft':
      if (!isInDetail || target.matches('[role=tab], [role=separator]') || (isScrollable && target.scrollLeft > 0)) return false;
      return app.close(), true;
    case 'ArrowDown': case 'j': return !(isInDetail && event.key !== 'j') && app.move(list.step(1));
    case 'ArrowUp': case 'k': return !(isInDetail && event.key !== 'k') && app.move(list.step(-1));
    case 'PageDown': return !isInDetail && app.move(list.step(list.page));
    case 'PageUp': return !isInDetail && app.move(list.step(-list.page));
    case 'Home': return !isInDetail && app.move(list.edge(false));
    case 'End': return !isInDetail && app.move(list.edge(true));
    case 'n': return app.move(list.problem(1));
    case 'N': return app.move(list.problem(-1));
    case 'Enter':
    case 'ArrowRight':
      if (isOnControl || isInDetail || list.selected === null) return false;
      return app.open(list.selected, { isFocused: true }), true;
    case '/': return app.focusFilter(), true;
    case 'f': return list.follow(), app.isListSeen() || (app.go('/'), app.focusList()), true;
    case 'p': return app.pause(), true;
    case 't': return app.toggle('tokens'), true;
    case '?': return app.toggle('help'), true;
    case 'v': return app.blur(), true;
    case 'r': return id !== null && !event.repeat && (app.replay(id), true);
    case 'e': return id !== null && (app.go(`/send/${encodeURIComponent(id)}`), true);
    case 'b': return id !== null && (app.pin(id), true);
    case 'x': return id !== null && (app.mark(id), true);
    case 'c': case 'd': case '1': case '2': case '3': case '4': case '5': case '6': case '7':
      if (id === null || route.view === 'exchange') return false;
      app.open(id);
      app.openView()?.key?.(event);
      return true;
    default: return false;
  }
}
