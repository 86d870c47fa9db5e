// What a person may choose: columns, density, keys, what is announced; and what is done to the recording.
import { button, h, replace } from './dom.js';
import { COLUMNS } from './list.js';

export function makeSettings(app) {
  const body = h('div.settings');
  const dialog = h('dialog.dialog', { 'aria-labelledby': 'settings-title' }, h('h2', { id: 'settings-title', text: 'Settings' }), body,
    h('p.buttons', {}, button({ class: 'button', on: { click: () => dialog.close() } }, 'Close')));

  const check = (label, isOn, change) => h('label.check', {}, h('input', { type: 'checkbox', checked: isOn, on: { change: event => change(event.target.checked) } }), ' ', label);

  async function record(isPaused) {
    const answer = await app.api.send('PUT', '/api/record', { paused: isPaused });
    if (answer.ok) app.record = answer.json.record; else app.toast(`Not changed: ${answer.problem.detail || answer.problem.title}`, 'bad');
    draw();
  }

  async function clear() {
    const answer = await app.api.send('DELETE', '/api/exchanges');
    if (answer.ok) { app.store.clear(); app.toast('The list is empty'); dialog.close(); app.close(); }
    else app.toast(`Not emptied: ${answer.problem.detail || answer.problem.title}`, 'bad');
  }

  function draw() {
    const columns = app.prefs.get('columns');
    const isPaused = app.record === 'paused';
    replace(body,
      h('fieldset', {}, h('legend', { text: 'Columns' }), h('div.checks', {}, Object.entries(COLUMNS).map(([name, [title]]) => {
        const box = check(title, columns.includes(name) || name === 'target', isOn => app.prefs.set('columns', isOn ? [...app.prefs.get('columns'), name] : app.prefs.get('columns').filter(c => c !== name)));
        if (name === 'target') box.firstChild.disabled = true;
        return box;
      }))),
      h('fieldset', {}, h('legend', { text: 'This page' }), h('div.checks', {},
        check('Close rows', app.prefs.get('compact'), isOn => app.prefs.set('compact', isOn)), check('Single keys act', app.prefs.get('keys'), isOn => app.prefs.set('keys', isOn)),
        check('Tell a screen reader of new exchanges', app.prefs.get('announce'), isOn => app.prefs.set('announce', isOn)), check('Blur bodies', !!document.documentElement.dataset.blur, () => app.blur()))),
      h('fieldset', {}, h('legend', { text: 'Recording' }), h('p.buttons', {},
        button({ class: 'button', disabled: !app.isOnline, on: { click: () => record(!isPaused) } }, isPaused ? 'Record again' : 'Stop recording'),
        button({ class: 'button', disabled: !app.isOnline, on: { click: clear } }, 'Empty the list')),
      h('p.quiet.small', { text: 'Exchanges go on as they do, recorded or not.' })));
  }

  return {
    open() {
      if (!dialog.isConnected) document.body.append(dialog);
      draw();
      dialog.showModal();
    },
  };
}
