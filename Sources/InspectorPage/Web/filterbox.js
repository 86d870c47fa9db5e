// The filter's box: completes, underlines what is wrong, says the filter in words, asks the server for bodies and headers,
// keeps filters by name.
import { complete } from './filter.js';
import { button, h, icon, replace, say } from './dom.js';
import { number } from './text.js';

export function makeFilterBox(app) {
  const { view, context } = app;
  const mirror = h('div.mirror', { 'aria-hidden': 'true' });
  const options = h('ul.options', { role: 'listbox', id: 'filter-options', 'aria-label': 'Completions', hidden: true });
  const input = h('input', {
    type: 'text', class: 'filter-input', role: 'combobox', 'aria-label': 'Filter', 'aria-autocomplete': 'list', 'aria-controls': 'filter-options', 'aria-expanded': 'false', 'aria-describedby': 'filter-words',
    autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', placeholder: 'Filter: status:4xx -path:/health is:retried',
  });
  const hint = h('kbd.slash', { 'aria-hidden': 'true', text: '/' });
  const clear = button({ class: 'icon-button', 'aria-label': 'Clear the filter', hidden: true, on: { click: () => { set(''); input.focus(); } } }, icon('close'));
  const count = h('span.count');
  const saved = button({ class: 'icon-button', 'aria-label': 'Saved filters', 'aria-expanded': 'false', 'aria-controls': 'saved-filters', title: 'Saved filters', on: { click: () => openSaved(panel.hidden) } }, icon('star'));
  const panel = h('div.panel.saved', { id: 'saved-filters', role: 'group', 'aria-label': 'Saved filters', hidden: true });
  const words = h('p.filter-words', { id: 'filter-words' });
  const element = h('div.filter', { role: 'search' },
    h('div.filter-line', {}, h('div.filter-field', {}, hint, mirror, input, clear, options), count, saved, panel), words);

  let found = null, chosen = -1, timer = null, searching = null, searchedAt = 0, searched = null, notes = '', errors = [];

  function set(text, { isFromRoute = false } = {}) {
    if (input.value !== text) input.value = text;
    hideOptions();
    apply(isFromRoute);
  }

  function apply(isFromRoute) {
    const text = input.value;
    view.setFilter(text);
    if (!isFromRoute) app.setQuery(text.trim());
    draw();
    clearTimeout(timer);
    if (view.filter.server.length) timer = setTimeout(() => search(false), 200); else { notes = ''; update(); }
  }

  /// Pages of what the server finds, the newest first or from a position on: 20 at most.
  async function pages(kind, value, after, signal) {
    const list = { ids: [], searched: 0, cut: 0, unreadable: 0, more: true };
    let place = after ? `&after=${after}` : '', run = null;
    for (let i = 0; i < 20 && list.more; i++) {
      const answer = await app.api.get(`/api/exchanges?limit=1000&${kind}=${encodeURIComponent(value)}${place}`, { signal });
      if (!answer.ok) throw answer.problem;
      const { exchanges, ...all } = answer.json;
      if (run !== null && all.run !== run) break;
      if (run === null) for (const name of ['searched', 'cut', 'unreadable']) list[name] = all[name];
      run = all.run;
      for (const x of exchanges) list.ids.push(x.id);
      list.more = all.more === true && exchanges.length > 0;
      place = !exchanges.length ? '' : after ? `&after=${run}-${exchanges.at(-1).seq}` : `&before=${run}-${exchanges[0].seq}`;
    }
    return list;
  }

  /// Asks the server for what only it can see: all of it, or what has come since.
  async function search(isMore) {
    const { run, seq } = app.store;
    const asked = view.filter.server.map(({ kind, value }) => `${kind}:${value}`).join('\n');
    if (searched?.asked !== asked || searched.run !== run) isMore = false;
    searching?.abort();
    const controller = searching = new AbortController();
    if (!isMore) {
      searched = null;
      notes = `searching ${number(app.kept ?? 0)} bodies…`;
      update();
    }
    const results = [];
    try {
      for (const { kind, value } of view.filter.server) {
        const list = await pages(kind, value, isMore ? `${run}-${searched.seq}` : '', controller.signal);
        const key = `${kind}:${value}`;
        context.found.set(key, new Set([...isMore ? context.found.get(key) ?? [] : [], ...list.ids]));
        results.push(list);
      }
    } catch (problem) {
      if (problem.name !== 'AbortError') { searching = null; notes = `not searched: ${problem.detail || problem.title}`; update(); }
      return;
    }
    searching = null;
    searchedAt = seq;
    const first = results[0], before = isMore ? searched : { count: 0, cut: 0, unreadable: 0, isPart: false };
    searched = { asked, run, seq, count: first.searched === undefined ? undefined : before.count + first.searched, cut: before.cut + (first.cut ?? 0), unreadable: before.unreadable + (first.unreadable ?? 0), isPart: before.isPart || results.some(list => list.more) };
    const { count, cut, unreadable, isPart } = searched;
    notes = [count === undefined ? '' : `searched ${number(count)} bodies`, cut ? `${number(cut)} are cut` : '', unreadable ? `${number(unreadable)} cannot be read` : '', isPart ? 'of what matches only the newest 20,000 are shown' : ''].filter(Boolean).join('; ');
    view.refilter();
    update();
  }

  /// The same text behind the box's, with lines under what is wrong.
  function draw() {
    const { words: all } = view.filter;
    const text = input.value;
    // What is being typed, and may still become right, is not wrong yet.
    const typed = document.activeElement === input && !options.hidden ? all.find(word => word.to === input.selectionStart) : null;
    const parts = [];
    let from = 0;
    for (const word of all) {
      parts.push(text.slice(from, word.from), h('span', { class: word.error && word !== typed ? 'wrong' : word.key && word.test ? 'key' : '' }, text.slice(word.from, word.to)));
      from = word.to;
    }
    replace(mirror, parts, text.slice(from));
    mirror.scrollLeft = input.scrollLeft;
    clear.hidden = text === '';
    hint.hidden = text !== '';
    errors = view.filter.errors.filter(word => word !== typed).map(word => `${word.raw}: ${word.error}`);
    input.setAttribute('aria-invalid', String(errors.length > 0));
    update();
  }

  function update() {
    const total = app.total();
    say(count, view.filter.isEmpty ? number(total) : `${number(view.exchanges)} of ${number(total)}`);
    const text = [view.filter.describe, ...errors, notes].filter(Boolean).join(' · ');
    say(words, text);
    words.dataset.wrong = String(errors.length > 0);
    words.hidden = text === '';
  }

  // Completion

  function offer() {
    found = complete(input.value, input.selectionStart ?? input.value.length, app.store.rows);
    chosen = -1;
    if (!found.options.length) return hideOptions();
    replace(options, found.options.map((option, i) => h('li', { role: 'option', id: `option-${i}`, 'aria-selected': 'false', on: { pointerdown: event => { event.preventDefault(); take(i); } } },
      h('span.option-text', { text: option.text }), h('span.quiet', { text: option.hint || '' }), h('span.quiet.right', { text: option.count ? number(option.count) : '' }))));
    options.hidden = false;
    input.setAttribute('aria-expanded', 'true');
    input.removeAttribute('aria-activedescendant');
  }

  function hideOptions() {
    options.hidden = true;
    chosen = -1;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  }

  function choose(i) {
    chosen = (i + found.options.length) % found.options.length;
    [...options.children].forEach((option, n) => option.setAttribute('aria-selected', String(n === chosen)));
    options.children[chosen].scrollIntoView({ block: 'nearest' });
    input.setAttribute('aria-activedescendant', `option-${chosen}`);
  }

  function take(i) {
    const { from, to, options: all } = found;
    const text = all[i].text + (all[i].text.endsWith(':') ? '' : ' ');
    input.value = input.value.slice(0, from) + text + input.value.slice(to).replace(/^\s/, '');
    input.setSelectionRange(from + text.length, from + text.length);
    apply();
    if (text.endsWith(':')) offer(); else hideOptions();
    draw();
  }

  input.addEventListener('input', () => { offer(); apply(); });
  input.addEventListener('scroll', () => { mirror.scrollLeft = input.scrollLeft; });
  input.addEventListener('click', () => { if (options.hidden && input.value === '') offer(); });
  input.addEventListener('blur', () => setTimeout(() => { hideOptions(); draw(); }));
  input.addEventListener('keydown', event => {
    const isOpen = !options.hidden;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (!isOpen) { offer(); if (options.hidden) return; }
      choose(event.key === 'ArrowDown' ? chosen + 1 : chosen < 0 ? found.options.length - 1 : chosen - 1);
    } else if ((event.key === 'Enter' || event.key === 'Tab') && isOpen && chosen >= 0) {
      event.preventDefault();
      take(chosen);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      hideOptions();
      app.focusList();
    } else if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      if (isOpen) hideOptions(); else app.focusList();
    }
  });

  // Saved filters

  function openSaved(isOpen) {
    panel.hidden = !isOpen;
    saved.setAttribute('aria-expanded', String(isOpen));
    if (!isOpen) return;
    const filters = app.prefs.get('filters');
    const name = h('input', { type: 'text', class: 'field', id: 'filter-name', maxlength: 60, autocomplete: 'off', placeholder: 'a name' });
    replace(panel,
      filters.length ? h('ul.saved-list', {}, filters.map((filter, i) => h('li', {},
        button({ class: 'link', on: { click: () => { set(filter.q); openSaved(false); app.focusList(); } } }, filter.name), h('code.quiet', { text: filter.q }),
        button({ class: 'icon-button', 'aria-label': `Forget ${filter.name}`, on: { click: () => { app.prefs.set('filters', filters.filter((_, n) => n !== i)); openSaved(true); panel.querySelector('button, input').focus(); } } }, icon('close')))))
        : h('p.quiet', { text: 'None yet. They stay in this browser.' }),
      h('form', {
        class: 'save-form', on: {
          submit: event => {
            event.preventDefault();
            if (!name.value.trim() || !input.value.trim()) return name.focus();
            app.prefs.set('filters', [...filters.filter(f => f.name !== name.value.trim()), { name: name.value.trim(), q: input.value.trim() }]);
            openSaved(false);
            saved.focus();
          },
        },
      }, h('label', { for: 'filter-name', text: 'Save this filter as' }), name, h('button', { type: 'submit', class: 'button' }, 'Save')));
    panel.querySelector('button, input').focus();
  }
  panel.addEventListener('keydown', event => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    openSaved(false);
    saved.focus();
  });
  document.addEventListener('pointerdown', event => { if (!panel.hidden && !panel.contains(event.target) && !saved.contains(event.target)) openSaved(false); });

  return {
    element, input, set, update,
    /// What came since the last search may match, too.
    refresh() {
      if (view.filter.server.length && app.isOnline && app.store.seq !== searchedAt && !searching) search(true);
      if (view.filter.isTimed) view.refilter();
      update();
    },
  };
}
