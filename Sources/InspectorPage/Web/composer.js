// Writes a request, or one that was recorded anew, and shows beside it what came back.
import { closeButton, copyOut, takeIntent, whyNot } from './actions.js';
import { copyText, isCut } from './copy.js';
import { button, h, icon, replace } from './dom.js';
import { makeTabs, statusClass, statusText } from './exchange.js';
import { askableFields, inOneLine } from './explain.js';
import { bodyOctets, isNamed, mark, utf8 } from './octets.js';
import { duration, plain, size, visible } from './text.js';
import { redactedPart } from './body.js';
import { address, place } from './panes.js';

// Squire's own business, or refused when it is given.
const notSent = new RegExp('^(host|content-length|transfer-encoding|te|trailer|connection|keep-alive|proxy-connection|upgrade'
  + '|expect|proxy-authorization|x-squire-.*)$', 'i');
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'QUERY'];

/// What a recorded exchange fills the composer with. Pure.
export function draftOf(x) {
  const bytes = bodyOctets(x.request?.body), text = utf8(bytes);
  return {
    method: x.method, target: x.target,
    // What the session's token replaced is Squire's to give anew.
    fields: (x.request?.head?.fields ?? []).filter(([name, value]) =>
      !notSent.test(name) && !(isNamed(name, x.request.replaced) && mark.test(value))),
    body: text ?? '', isBinary: text === null, isWhole: !isCut(x.request?.body ?? {}) && !x.request?.body?.unreadable,
    size: bytes.length, redactions: x.request?.redactions ?? [], hasCRLF: /\r\n/.test(text ?? '') && !/[^\r]\n|^\n/.test(text ?? ''),
  };
}

const input = (label, props) => h('input', {
  'aria-label': label, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', ...props,
});

/// The view. `update({id})`: null is an empty one.
export function composerView(app) {
  const method = input('Method', { value: 'GET' }), target = input('Target', { 'data-focus': true, value: '/' });
  const rows = h('div.field-rows', { role: 'group', 'aria-label': 'Fields' });
  const body = h('textarea', { 'aria-label': 'Body', rows: 8, spellcheck: 'false', autocapitalize: 'off' });
  const bodyNote = h('p.dim');
  const line = h('p.explain-line', { role: 'status' });
  const warning = h('p.warning', { id: 'again-note', hidden: true });
  const problem = h('p.refusal', { role: 'alert' });
  const send = h('button', { type: 'submit', class: 'main-button', title: 'Ctrl+Enter' }, icon('send'), 'Send');
  const copy = button({ title: 'As curl through Squire', on: { click: () => copyCurl() } }, icon('copy'), 'Copy');
  const form = h('form', { 'aria-label': 'Compose', class: 'compose-form' },
    h('div.title-line', {}, h('h2', {}, 'Compose'), closeButton(app)),
    h('div.request-line', {}, completing(method, 'Methods', () => methods), completing(target, 'Targets', targets)),
    h('h3', {}, 'Fields'), rows,
    button({ on: { click: () => addField('', '').querySelector('input').focus() } }, 'Add field'),
    h('h3', {}, 'Body'), bodyNote, body,
    h('div.send-line', {}, warning, problem, line, h('div.deeds', {}, send, copy)));
  const answerHead = h('p.facts-line'), answerTitle = h('h2', {}, 'Answer');
  let answerTab = 'response', sent = null;
  const answerTabs = makeTabs(app, tab => { answerTab = tab; answerTabs.update(sent, tab); });
  const answer = h('section.compose-answer', { 'aria-label': 'Answer' });
  const element = h('div.dv.composer', {}, h('div.composer-columns', {}, form, answer));
  let id = undefined, draft = null, model = null, timer = null, asked = 0, isSending = false, isStale = false, ticket = 0;

  showNothing();
  form.addEventListener('submit', event => {
    event.preventDefault();
    submit();
  });
  form.addEventListener('input', () => { problem.textContent = ''; changed(); });
  form.addEventListener('keydown', event => {
    // What was written stays.
    if (event.key === 'Escape' && event.target.matches('input, textarea')) app.close();
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation();
    submit();
  });
  app.watch(() => { if (element.isConnected) lookAgain(); });

  function showNothing() {
    sent = null;
    replace(answer, h('p.dim', {}, 'The answer comes here. Squire adds the token and everything the configuration says.'));
  }

  async function update(state) {
    const intent = takeIntent(state.id ?? null);
    if ((state.id ?? null) === id && !intent && !app.draft) return lookAgain();
    id = state.id ?? null;
    warning.hidden = true;
    problem.textContent = '';
    if (id === null) return begin();
    const mine = ticket += 1, asked = id;
    const result = await app.api.get(address(asked));
    if (mine !== ticket || asked !== id) return undefined;
    if (!result.ok) {
      begin();
      problem.textContent = `Not filled in: ${plain(result.problem?.detail ?? 'Squire does not answer.')}`;
      return undefined;
    }
    fill(draftOf(result.json), result.json);
    if (intent?.isAgain) {
      warning.hidden = false;
      warning.textContent = intent.missing?.length && /^(GET|HEAD|OPTIONS|QUERY)$/.test(model.method)
        ? `Fill in what was redacted: ${plain(intent.missing.map(redactedPart).join(', '))}`
        : `Send it again? ${plain(model.method)}: this may do it a second time.`;
      if (send.disabled) firstMissing()?.focus();
      else send.focus();
    } else target.focus();
    return undefined;
  }

  /// With what another part of the page wants to be written, once.
  function begin() {
    const given = { method: 'GET', target: '/', fields: [], body: '', ...app.draft, redactions: [], isWhole: true, size: 0 };
    if (app.draft) app.draft = null;
    fill(given, null);
  }

  function fill(given, x) {
    draft = given;
    model = x;
    method.value = given.method;
    target.value = given.target;
    replace(rows);
    for (const [name, value] of given.fields) addField(name, value);
    body.value = given.body;
    draft.shown = body.value;
    body.disabled = false;
    replace(bodyNote);
    if (given.isBinary) {
      body.disabled = true;
      replace(bodyNote, `${size(given.size)} that are no text are sent as they were recorded. `, button({
        on: { click: () => { draft.isBinary = false; body.disabled = false; replace(bodyNote); body.focus(); changed(); } },
      }, 'Write another'));
    } else if (!given.isWhole) {
      replace(bodyNote, h('span.warning', {}, 'Of the recorded body only a part was kept: what stands here is what is sent.'));
      draft.shown = null;
    }
    showNothing();
    changed();
  }

  function addField(name, value) {
    const row = h('div.field-row', {},
      input('Field name', { value: name, class: 'field-name' }), input('Field value', { value, class: 'field-value' }),
      button({
        'aria-label': 'Remove field', class: 'quiet-button',
        on: { click: () => removeField(row) },
      }, icon('close')));
    rows.append(row);
    return row;
  }

  function removeField(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (next?.querySelector('input') ?? method).focus();
    changed();
  }

  const fieldsNow = () => [...rows.children].map(row => [...row.querySelectorAll('input')].map(input => input.value))
    .filter(([name, value]) => name !== '' || value !== '').map(([name, value]) => [name.trim(), value.trim()]);

  function targets() {
    const seen = new Set();
    for (let i = app.store.rows.length - 1; i >= 0 && seen.size < 100; i -= 1) {
      const x = app.store.rows[i].x;
      if (x && !mark.test(x.target) && x.target.length < 300) seen.add(x.target);
    }
    return [...seen].sort();
  }

  /// The inputs in which a mark still stands for a secret.
  function missingInputs() {
    if (!draft?.redactions.length) return [];
    return [target, ...rows.querySelectorAll('.field-value'), body].filter(input => mark.test(input.value));
  }
  const firstMissing = () => missingInputs()[0];

  function changed() {
    check();
    clearTimeout(timer);
    timer = setTimeout(explain, 200);
  }

  /// Asks anew what it could not be told before.
  function lookAgain() {
    if (check() === null && isStale) changed();
  }

  function check() {
    const missing = missingInputs();
    for (const input of form.querySelectorAll('.is-missing')) {
      input.classList.remove('is-missing');
      input.removeAttribute('title');
    }
    for (const input of missing) {
      input.classList.add('is-missing');
      input.title = input === body || input === target ? 'Redacted: fill it in' : 'Redacted: fill it in, or remove the field';
    }
    const why = app.isOnline === false ? 'Squire does not answer.' : isSending ? 'It is being sent.'
      : missing.length ? `Fill in what was redacted (${missing.length}).` : null;
    // What is disabled loses the focus.
    send.disabled = missing.length > 0 && !isSending;
    send.setAttribute('aria-disabled', String(why !== null));
    send.title = why ?? 'Ctrl+Enter';
    line.classList.toggle('warning', missing.length > 0);
    if (why && !isSending) {
      line.textContent = line.title = why;
      isStale = true;
    }
    return why;
  }

  async function explain() {
    const mine = asked += 1;
    if (check() !== null) return;
    const result = await app.api.send('POST', '/api/explain', {
      method: method.value, target: target.value, fields: askableFields([['Host', hostOf(app)], ...fieldsNow()]),
    });
    if (mine !== asked || check() !== null) return;
    isStale = !result.status;
    line.textContent = line.title = plain(result.ok ? inOneLine(result.json, app.status?.copy?.apply) : result.problem?.detail ?? '');
  }

  /// What is sent: members that are left out stay as they were recorded.
  function request() {
    const object = { method: method.value.trim(), target: target.value, fields: fieldsNow() };
    const isEdited = body.value !== draft.shown;
    if (!draft.isBinary && (isEdited || !model)) {
      // A text field knows no CR.
      object.body = draft.hasCRLF ? body.value.replaceAll('\n', '\r\n') : body.value;
      if (!model && object.body === '') delete object.body;
    }
    return object;
  }

  async function submit() {
    const why = check();
    if (why !== null) {
      firstMissing()?.focus();
      return;
    }
    isSending = true;
    check();
    warning.hidden = true;
    problem.textContent = '';
    for (const field of form.querySelectorAll('[aria-invalid]')) field.removeAttribute('aria-invalid');
    const began = setTimeout(() => replace(answer, h('p.dim', { role: 'status' }, 'On its way …')), 150);
    const path = model ? `${address(model.id)}/replay` : '/api/exchanges';
    const result = await app.api.send('POST', path, request());
    clearTimeout(began);
    isSending = false;
    check();
    if (!result.ok) return refused(result);
    draft.redactions = [];
    showAnswer(result.json);
    app.announce(`Answered: ${plain(statusText(result.json))}`);
    return undefined;
  }

  function refused({ problem: given, status }) {
    showNothing();
    // Why it is refused is said once.
    clearTimeout(timer);
    asked += 1;
    line.textContent = line.title = '';
    problem.textContent = status === 422 ? plain(given.detail ?? `${given.field} is refused`)
      : `Not sent: ${plain(whyNot(given))}`;
    const field = given?.field, byName = [...rows.children].find(row =>
      row.querySelector('.field-name').value.trim().toLowerCase() === String(field).toLowerCase());
    const wrong = { method, target, body }[field] ?? byName?.querySelector('input') ?? firstMissing();
    if (!wrong) return;
    wrong.setAttribute('aria-invalid', 'true');
    wrong.focus();
  }

  function showAnswer(x) {
    sent = x;
    answerTab = x.attempts > 1 || x.own_answer ? 'story' : 'response';
    drawAnswer();
  }

  function drawAnswer() {
    const x = sent;
    replace(answerHead, h('span', { class: `status ${statusClass(x)}` }, visible(statusText(x))),
      h('span', {}, duration(x.total_ms)), h('span', {}, `${size(x.response_bytes ?? 0)} down`),
      h('a', { href: place(x.id) }, visible(x.id)));
    if (answerTitle.parentNode !== answer) replace(answer, answerTitle, answerHead, answerTabs.element);
    answerTabs.update(x, answerTab);
  }

  // It may still run: what comes later is shown as it comes.
  let isAsking = false;
  app.store.watch(async ({ added, changed }) => {
    const row = sent && element.isConnected && [...changed ?? [], ...added ?? []].find(item => item.x?.id === sent.id);
    if (!row || row.x.seq <= sent.seq || isAsking) return;
    isAsking = true;
    const x = sent, result = await app.api.get(address(x.id));
    isAsking = false;
    if (!result.ok || sent !== x) return;
    sent = result.json;
    drawAnswer();
  });

  async function copyCurl() {
    const now = request(), bytes = now.body === undefined ? undefined : { text: now.body, kept: now.body.length, size: now.body.length };
    const x = {
      method: now.method, target: now.target, flags: [],
      request: {
        head: { fields: now.fields }, body: bytes ?? model?.request?.body ?? {},
        redactions: missingInputs().length ? draft.redactions : [],
      },
    };
    const { text, error } = copyText('s', x, app.status?.copy ?? {});
    if (error) app.toast(`Not copied: ${error}.`);
    else await copyOut(app, text, 'curl through Squire');
  }

  return { element, update, key: () => false };
}

/// The text field, with a list of what may stand in it beneath: the arrows choose, Enter takes, Esc closes.
function completing(field, label, all) {
  const list = h('ul', { role: 'listbox', id: `list-${label}`, class: 'menu completions', 'aria-label': label, hidden: true });
  let at = -1;
  const close = () => {
    list.hidden = true;
    field.removeAttribute('aria-activedescendant');
  };
  function open(text) {
    const typed = text.toLowerCase();
    const found = all().filter(value => value !== field.value && value.toLowerCase().includes(typed)).slice(0, 12);
    at = -1;
    close();
    replace(list, found.map((value, i) => h('li', {
      role: 'option', id: `${list.id}-${i}`, 'aria-selected': 'false', 'data-value': value,
      // The field keeps the focus.
      on: { mousedown: event => { event.preventDefault(); take(value); } },
    }, visible(value))));
    list.hidden = found.length === 0;
  }
  function take(value) {
    field.value = value;
    close();
    field.dispatchEvent(new Event('input', { bubbles: true }));
    close();
  }
  function choose(to) {
    list.children[at]?.setAttribute('aria-selected', 'false');
    at = (to + list.children.length) % list.children.length;
    list.children[at].setAttribute('aria-selected', 'true');
    list.children[at].scrollIntoView({ block: 'nearest' });
    field.setAttribute('aria-activedescendant', list.children[at].id);
  }
  field.setAttribute('aria-autocomplete', 'list');
  field.setAttribute('aria-controls', list.id);
  field.addEventListener('input', () => open(field.value));
  field.addEventListener('blur', close);
  field.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.hidden) open('');
    if (list.hidden) return;
    if (step) choose(at < 0 && step < 0 ? -1 : at + step);
    else if (event.key === 'Enter' && at >= 0) take(list.children[at].dataset.value);
    else if (event.key === 'Escape') close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return h('div.menu-place', {}, field, list);
}

function hostOf(app) {
  return (app.status?.copy?.proxy ?? 'http://localhost').replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}
