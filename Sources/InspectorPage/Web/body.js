// A body: as JSON, text, octets, a picture or, in a sandbox, as HTML; and beside it what of it is not here.
import { button, h, icon, replace } from './dom.js';
import { describe, parseJSON } from './json.js';
import { jsonPane } from './tree.js';
import { isCut } from './copy.js';
import { bodyOctets, utf8 } from './octets.js';
import { hexPane, textPane } from './panes.js';
import { plural, size, visible } from './text.js';

// Signatures of what an <img> shows; the field of the answer may say anything.
const pictures = [
  ['image/png', bytes => starts(bytes, '\x89PNG\r\n\x1a\n')],
  ['image/jpeg', bytes => starts(bytes, '\xff\xd8\xff')],
  ['image/gif', bytes => starts(bytes, 'GIF87a') || starts(bytes, 'GIF89a')],
  ['image/webp', bytes => starts(bytes, 'RIFF') && starts(bytes.subarray(8), 'WEBP')],
  ['image/avif', bytes => starts(bytes.subarray(4), 'ftypavif') || starts(bytes.subarray(4), 'ftypavis')],
  ['image/svg+xml', bytes => /^\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]/i
    .test(utf8(bytes) ?? '')],
];

function starts(bytes, text) {
  return bytes.length >= text.length && [...text].every((character, i) => bytes[i] === character.charCodeAt(0));
}

/// The type of a picture by its first octets, or null.
export function pictureType(bytes) {
  return pictures.find(([, isIt]) => isIt(bytes))?.[0] ?? null;
}

/// Where something was redacted; what is no place is a secret that was found as itself.
export const redactedPart = part => (part === 'value' ? 'found by value' : part);

/// What is to be said beside a body: `[{text, isWarning}]`. Pure.
export function bodyRemarks(body) {
  const remarks = [], went = body.size ?? 0, kept = body.kept ?? 0;
  const say = (text, isWarning = true) => remarks.push({ text, isWarning });
  if (body.unreadable) {
    say(`Encoded with ${body.unreadable}: it cannot be searched for secrets, so it was not kept. ${size(went)} went.`);
  } else if (kept === 0 && (went > 0 || body.cut)) {
    say(`Not kept.${went ? ` ${size(went)} went.` : ''}`);
  } else if (isCut(body)) {
    const whole = body.decoded ?? (body.encoding ? null : went);
    say(whole !== null && whole <= kept ? 'Not all of it is kept'
      : whole === null ? `Only the first ${size(kept)} are kept. ${size(went)} went, encoded with ${body.encoding}.`
      : `${size(kept)} of ${size(whole)} kept`);
  }
  if (body.redactions?.length) {
    say(`${plural(body.redactions.length, 'value')} redacted: ${body.redactions.map(redactedPart).join(', ')}`, false);
  }
  return remarks;
}

function summary(body) {
  const parts = [body.type ?? 'no type', size(body.size ?? 0)];
  if (body.encoding) parts.push(`${body.encoding}${body.decoded ? `, ${size(body.decoded)} decoded` : ''}`);
  return parts.join(' · ');
}

/// A view of one body. `options`: `label` its accessible name, `path` where its octets are, `preview` where a sandbox
/// renders it, `file` the name to save it under. `update(body, isRunning)`.
export function makeBody(app, options) {
  const bar = h('div.body-bar'), remarks = h('div.remarks'), content = h('div.body-content');
  const element = h('div.body-view', {}, bar, remarks, content);
  let shown = null, chosen = null, isWrapped = true;

  const isLocked = () => Boolean(app.status?.inspector?.key);

  function update(body, isRunning = false) {
    const same = shown && shown.body.kept === body.kept && shown.body.size === body.size
      && shown.body.text === body.text && shown.body.base64 === body.base64 && shown.isRunning === isRunning
      && shown.isLocked === isLocked();
    if (!same) show(body, isRunning);
  }

  function show(body, isRunning) {
    const bytes = bodyOctets(body), text = utf8(bytes), cut = isCut(body) || isRunning;
    shown = { body, isRunning, isLocked: isLocked() };
    if (bytes.length === 0) {
      replace(bar, h('span.dim', {}, body.size ? visible(summary(body)) : body.cut ? visible(body.type ?? 'no type') : 'No body'));
      replace(remarks, remarkNodes(body));
      replace(content);
      return;
    }
    const views = viewsOf(body, bytes, text, cut);
    const view = views.find(item => item.name === chosen && !item.why) ?? views[0];
    const again = name => {
      chosen = name;
      show(body, isRunning);
      bar.querySelector(`[data-view="${name}"]`)?.focus();
    };
    replace(bar,
      h('span.dim.grow', {}, visible(summary(body))),
      h('span.segments', { role: 'group', 'aria-label': `${options.label}: view` }, views.map(item => button({
        'aria-pressed': String(item === view), 'data-view': item.name, disabled: Boolean(item.why),
        title: item.why ?? item.title, on: { click: () => again(item.name) },
      }, item.name))),
      views.filter(item => item.why).map(item => h('span.dim', {}, item.why)),
      view.name === 'Text' && button({
        'aria-pressed': String(isWrapped), title: 'Break long lines',
        on: { click: () => { isWrapped = !isWrapped; again('Text'); bar.querySelector('[title="Break long lines"]').focus(); } },
      }, 'Wrap'),
      options.path && button({ on: { click: () => save() } }, icon('down'), 'Download'));
    replace(remarks, view.problem && h('p.warning', {}, visible(view.problem)), remarkNodes(body));
    replace(content, view.make());
  }

  async function save() {
    const result = await app.api.download(options.path, options.file);
    if (!result.ok) app.toast(`Not downloaded: ${result.problem.detail}`);
  }

  function viewsOf(body, bytes, text, cut) {
    const views = [], picture = cut ? null : pictureType(bytes);
    if (picture) views.push({ name: 'Picture', make: () => pictureView(bytes, picture, options.label) });
    if (text !== null) {
      const isTyped = /[/+]json\b/i.test(body.type ?? ''), looksSo = /^\s*[[{]/.test(text);
      const read = isTyped || looksSo ? parseJSON(text) : null;
      const broken = read?.problem && !(cut && read.problem.isAtEnd) ? read.problem : null;
      // What only looks like JSON and is none is a text.
      if (read?.root && (isTyped || !broken)) {
        views.push({
          name: 'JSON', make: () => jsonPane(read.root, options.label),
          problem: broken ? describe(broken) : read.problem ? `It ends at line ${read.problem.line}: the rest is not here` : null,
        });
      }
      views.push({
        name: 'Text', make: () => textPane(text, options.label, { isWrapped, at: broken && isTyped ? broken.offset : null }),
        problem: broken && isTyped ? describe(broken) : null,
      });
    }
    if (options.preview && /html/i.test(body.type ?? '') && !shown?.isRunning) {
      views.push({
        name: 'Render', title: 'In a sandbox: nothing runs and nothing is fetched',
        why: isLocked() ? 'Not rendered: a frame cannot send the key of access.key.' : null,
        make: () => h('iframe', {
          class: 'render', sandbox: '', referrerpolicy: 'no-referrer', src: options.preview, title: `${options.label}, rendered`,
        }),
      });
    }
    views.push({ name: 'Hex', make: () => hexPane(bytes, options.label) });
    return views;
  }

  return { element, update };
}

function remarkNodes(body) {
  return bodyRemarks(body).map(remark => h('p', { class: remark.isWarning ? 'warning' : 'dim' }, visible(remark.text)));
}

function pictureView(bytes, type, label) {
  // Our own type: scripts in an SVG do not run in an <img>, and it fetches nothing.
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  const caption = h('figcaption.dim', {}, type);
  const done = () => URL.revokeObjectURL(url);
  const image = h('img', {
    src: url, alt: label,
    on: {
      load: () => { caption.textContent = `${type}, ${image.naturalWidth} × ${image.naturalHeight}`; done(); },
      error: () => { caption.textContent = `${type}, but it cannot be drawn`; done(); },
    },
  });
  return h('figure.picture', {}, image, caption);
}
