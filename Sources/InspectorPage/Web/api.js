// Asks Squire. The key, where one is needed, lives in this module's memory and nowhere else.

let key = null;

export function setKey(value) {
  key = value;
}

function fields(more) {
  const all = { 'X-Squire-Inspector': '1', ...more };
  if (key !== null) all['X-Squire-Key'] = key;
  return all;
}

/// The answer itself, for who reads a stream. Throws when there is no answer.
export function ask(path, { method = 'GET', headers, body, signal } = {}) {
  return fetch(path, { method, headers: fields(headers), body, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' });
}

async function answer(response) {
  const type = response.headers.get('Content-Type') || '';
  let json = null;
  if (/^application\/(problem\+)?json/.test(type)) {
    try { json = await response.json(); } catch { json = null; }
  }
  const problem = response.ok ? null : json && typeof json === 'object' ? json : { status: response.status, title: `status ${response.status}`, detail: `Squire answered with status ${response.status}.`, code: null };
  return { ok: response.ok, status: response.status, json: response.ok ? json : null, problem, headers: response.headers };
}

function nothing(error) {
  if (error && error.name === 'AbortError') throw error;
  return { ok: false, status: 0, json: null, problem: { status: 0, title: 'No answer', detail: 'Squire does not answer.', code: 'no_answer' }, headers: new Headers() };
}

/// `{ok, status, json, problem, headers}`; status 0 when Squire does not answer. Throws only when aborted.
export async function get(path, { signal } = {}) {
  try { return await answer(await ask(path, { signal })); } catch (error) { return nothing(error); }
}

/// The same, for what changes something. `object` is sent as JSON; nothing is sent without one.
export async function send(method, path, object, { signal } = {}) {
  const given = object === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(object) };
  try { return await answer(await ask(path, { method, signal, ...given })); } catch (error) { return nothing(error); }
}

/// `{ok, status, bytes, problem, headers}`, bytes being a Uint8Array.
export async function bytes(path, { signal } = {}) {
  try {
    const response = await ask(path, { signal });
    if (!response.ok) return { ...await answer(response), bytes: null };
    return { ok: true, status: response.status, bytes: new Uint8Array(await response.arrayBuffer()), problem: null, headers: response.headers };
  } catch (error) {
    return { ...nothing(error), bytes: null };
  }
}

/// Saves what is there under that name: by a blob, since a plain link could not send the key.
export async function download(path, name) {
  const result = await bytes(path);
  if (!result.ok) return result;
  save(new Blob([result.bytes], { type: 'application/octet-stream' }), name);
  return result;
}

/// Saves the blob under that name.
export function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name.replace(/[^\w.-]/g, '_');
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
