// Octets as rows of sixteen. Pure.

/// One row: the offset, the octets, and the characters of those that are ASCII.
export function hexRow(bytes, offset) {
  let numbers = '', characters = '';
  for (let i = offset; i < offset + 16; i += 1) {
    if (i % 16 === 8) numbers += ' ';
    numbers += i < bytes.length ? ` ${bytes[i].toString(16).padStart(2, '0')}` : '   ';
    if (i < bytes.length) characters += bytes[i] >= 0x20 && bytes[i] < 0x7f ? String.fromCharCode(bytes[i]) : '·';
  }
  return `${offset.toString(16).padStart(8, '0')} ${numbers}  ${characters}`;
}

export function hexRows(bytes, from = 0, to = bytes.length) {
  const rows = [];
  for (let offset = from; offset < Math.min(to, bytes.length); offset += 16) rows.push(hexRow(bytes, offset));
  return rows;
}
