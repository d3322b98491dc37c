/**
 * Canonical bytes: deterministic CBOR (RFC 8949, 4.2) of whole numbers, byte strings, text, null and arrays with
 * a fixed order of fields. A decoder re-encodes and compares, since even a strict one lets wide numbers through.
 * The only file of the core that imports a package.
 */
import { decode as cborDecode, encode as cborEncode } from 'cborg';

export type Canonical = number | bigint | string | null | Uint8Array | readonly Canonical[];

export const encode = (value: Canonical): Uint8Array => cborEncode(value);

/** Null when the bytes are not the canonical encoding of anything. Never throws. */
export function decode(bytes: Uint8Array): Canonical {
  try {
    const value = cborDecode(bytes, { strict: true, allowIndefinite: false, allowUndefined: false, allowNaN: false });
    return sameBytes(cborEncode(value), bytes) ? (value as Canonical) : null;
  } catch {
    return null;
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** The value of a hexadecimal digit of either case. */
const digit = (code: number): number => (code & 15) + (code > 57 ? 9 : 0);

export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = 16 * digit(text.charCodeAt(2 * i)) + digit(text.charCodeAt(2 * i + 1));
  return bytes;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
