// Octets and the texts that stand for them. Pure.

/// The octets of a text in UTF-8.
export function octets(text) {
  return new TextEncoder().encode(text);
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), character => character.charCodeAt(0));
}

export function toBase64(bytes) {
  let text = '';
  // In pieces: a call takes only so many arguments.
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

/// The text that octets are in UTF-8, or null. A byte order mark is kept.
export function utf8(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/// The octets kept of a body as the API gives it.
export function bodyOctets(body) {
  if (body?.base64 !== undefined) return fromBase64(body.base64);
  return octets(body?.text ?? '');
}

/// What stands where a secret was.
export const mark = /‹redacted›|‹token, generation \d+›/;

// As some servers read a name, and as Squire compares those of the session's field: `X_Token` is X-Token.
const read = name => name.toLowerCase().replace(/[^a-z0-9-]/g, '-').replace(/-+$/, '');

/// Whether a field has the name, in some spelling; null is none.
export const isNamed = (name, other) => other != null && read(name) === read(other);

/// The fields of a list of [name, value] that have the name, without case.
export function values(fields, name) {
  return (fields ?? []).filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}
