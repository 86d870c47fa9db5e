// What a person does with an exchange: send it again, edit it, pin it, put a text on the clipboard.
import { isPasteable } from './copy.js';
import { h, icon } from './dom.js';
import { plain } from './text.js';
import { address, button, place } from './panes.js';

// Nothing happens twice by these (RFC 9110 section 9.2.1). PUT and DELETE may be repeated, but do something.
const safe = new Set(['GET', 'HEAD', 'OPTIONS', 'QUERY']);

/// Why the composer was opened: `{id, isAgain, missing}`; it takes it once.
let intent = null;

export function takeIntent(id) {
	const taken = intent?.id === id ? intent : null;
	intent = null;
	return taken;
}

export const composerFragment = id => (id === null ? '#/send' : `#/send/${encodeURIComponent(id)}`);

function isOff(app) {
	if (app.isOnline !== false) return false;
	app.toast('Squire does not answer: nothing can be sent now.');
	return true;
}

/// Sends again under the token of now: at once if nothing can happen twice, else from the composer, once confirmed.
export async function sendAgain(app, x) {
	if (isOff(app)) return;
	if (!safe.has(x.method)) return compose(app, x, { isAgain: true });
	const answer = await app.api.send('POST', `${address(x.id)}/replay`, {});
	if (answer.ok) return shown(app, answer);
	if (answer.problem?.why === 'redacted') return compose(app, x, { isAgain: true, missing: answer.problem.missing });
	app.toast(`Not sent: ${plain(whyNot(answer.problem))}`);
}

/// What went out and came back, once it did; or what is there of it so far.
function shown(app, answer) {
	const made = answer.json, id = made?.id ?? decodeURIComponent(answer.headers.get('Location')?.split('/').pop() ?? '');
	if (!id) return;
	app.announce(`Sent again: ${made?.status ?? 'running'}`);
	app.go(place(id));
}

export function whyNot(problem) {
	return {
		cut: 'its body was not kept whole.', websocket: 'a WebSocket cannot be sent again.', running: 'it is still running.',
	}[problem?.why] ?? problem?.detail ?? problem?.title ?? 'Squire did not say why.';
}

/// Opens the composer with it.
export function compose(app, x, { isAgain = false, missing = null } = {}) {
	intent = { id: x.id, isAgain, missing };
	app.go(composerFragment(x.id));
}

/// Keeps an exchange from being evicted, or no longer. Whether it is pinned now.
export async function pin(app, x) {
	const isPinned = x.flags?.includes('pinned') ?? false;
	if (isOff(app)) return isPinned;
	const answer = await app.api.send('PUT', `${address(x.id)}/pin`, { pinned: !isPinned });
	if (answer.ok) {
		app.announce(answer.json.pinned ? 'Pinned' : 'No longer pinned');
		return answer.json.pinned;
	}
	app.toast(answer.problem?.code === 'pins_full' ? 'Not pinned: there is no room for more pins. Take one off first.'
		: `Not pinned: ${plain(answer.problem?.detail ?? '')}`);
	return isPinned;
}

/// Goes back to the list.
export function closeButton(app) {
	return button({
		class: 'quiet-button', 'aria-label': 'Close', title: 'Back to the list (Esc)',
		on: { click: () => (app.close ? app.close() : app.go('#/')) },
	}, icon('close'));
}

/// Puts a text on the clipboard; where a browser gives none, into a field where it is selected.
export async function copyOut(app, text, what) {
	if (!isPasteable(text)) {
		app.toast(`${what} is not copied: it has characters that no clipboard should carry.`);
		return;
	}
	try {
		await navigator.clipboard.writeText(text);
		app.toast(`${what} is on the clipboard.`);
	} catch {
		// No secure context, or the browser was told not to.
		showField(text, what);
	}
}

function showField(text, what) {
	const before = document.activeElement;
	const field = h('textarea', { readonly: true, rows: 8, 'aria-label': what, spellcheck: 'false', value: text });
	const dialog = h('dialog', { class: 'dv copy-field', 'aria-label': `Copy: ${what}` },
		h('p', {}, 'This browser gives no clipboard to the page. Press Ctrl+C (⌘C).'), field,
		h('form', { method: 'dialog' }, button({ on: { click: () => dialog.close() } }, 'Close')));
	dialog.addEventListener('close', () => {
		dialog.remove();
		before?.focus?.();
	});
	document.body.append(dialog);
	dialog.showModal();
	field.select();
}
