// The button "Copy" and its menu.
import { copyOut } from './actions.js';
import { copyText, forms } from './copy.js';
import { button, h, icon, replace } from './dom.js';

/// `{element, open()}`. `exchange()` gives what is to be copied now.
export function copyMenu(app, exchange) {
  let isMultiline = false;
  const opener = button({
    'aria-haspopup': 'menu', 'aria-expanded': 'false', on: { click: () => (menu.hidden ? open() : close(true)) },
  }, icon('copy'), 'Copy');
  const menu = h('div.menu', { role: 'menu', 'aria-label': 'Copy', hidden: true });
  const element = h('div.menu-place', {}, opener, menu);

  function open() {
    const x = exchange();
    if (!x) return;
    const place = app.status?.copy ?? {};
    replace(menu, forms.map(({ key, form, name }) => {
      const { error } = copyText(form, x, place);
      return button({
        role: 'menuitem', tabIndex: -1, 'data-key': key, 'data-form': form, 'aria-disabled': error ? 'true' : null,
        'aria-keyshortcuts': key, on: { click: () => choose(form) },
      }, h('span.grow', {}, name, error && h('small', {}, ` ${error}`)), h('kbd', { 'aria-hidden': 'true' }, key));
    }), button({
      role: 'menuitemcheckbox', 'aria-checked': String(isMultiline), tabIndex: -1, class: 'check-item',
      on: { click: event => { isMultiline = !isMultiline; event.currentTarget.setAttribute('aria-checked', String(isMultiline)); } },
    }, h('span.grow', {}, 'One option a line')));
    menu.hidden = false;
    opener.setAttribute('aria-expanded', 'true');
    menu.firstChild.focus();
  }

  function close(isBack) {
    menu.hidden = true;
    opener.setAttribute('aria-expanded', 'false');
    if (isBack) opener.focus();
  }

  async function choose(form) {
    const { text, error } = copyText(form, exchange(), app.status?.copy ?? {}, { isMultiline });
    close(true);
    if (error) app.toast(`Not copied: ${error}.`);
    else await copyOut(app, text, forms.find(item => item.form === form).name);
  }

  menu.addEventListener('keydown', event => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const items = [...menu.children], at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
    const byKey = items.find(item => item.dataset.key === event.key.toLowerCase());
    if (to !== undefined) items[to % items.length].focus();
    else if (event.key === 'Escape') close(true);
    else if (event.key === 'Tab') return close(false);
    else if (byKey) byKey.click();
    // Enter and the blank are the buttons' own; other letters must not reach the page's keys.
    else return event.stopPropagation();
    event.preventDefault();
    event.stopPropagation();
  });
  element.addEventListener('focusout', event => {
    if (!menu.hidden && !element.contains(event.relatedTarget)) close(false);
  });

  return { element, open };
}
