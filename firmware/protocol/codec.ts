/**
 * Canonical bytes: deterministic CBOR (RFC 8949, 4.2) of whole numbers, byte strings, text, null and arrays with
 * a fixed order of fields. A decoder re-encodes and compares, since even a strict one lets wide numbers through.
 * Written here, where a node spends its time; read by a package, and this is the only file of the core that imports one.
 */
import { decode as cborDecode } from 'cborg';

export type Canonical = number | bigint | string | null | Uint8Array | readonly Canonical[];

const UTF8 = new TextEncoder();
const NULL = 0xf6;
/** Major types of RFC 8949, 3.1, in the upper three bits. */
const [POSITIVE, NEGATIVE, BYTES, TEXT, LIST] = [0x00, 0x20, 0x40, 0x60, 0x80];

/** @throws RangeError for a number that is not whole or does not fit 64 bits */
export function encode(value: Canonical): Uint8Array {
  const bytes = new Uint8Array(sizeOf(value));
  write(bytes, 0, value);
  return bytes;
}

function sizeOf(value: Canonical): number {
  if (typeof value === 'number') return headSize(value < 0 ? -1 - value : value);
  if (value === null) return 1;
  if (value instanceof Uint8Array) return headSize(value.length) + value.length;
  if (Array.isArray(value)) return value.reduce((size, item) => size + sizeOf(item), headSize(value.length));
  if (typeof value === 'bigint') return headSize(value < 0n ? -1n - value : value);
  if (typeof value === 'string') return sizeOf(UTF8.encode(value));
  throw new RangeError(`${typeof value}: nothing that has canonical bytes`);
}

/** Bytes of a head: the major type and an argument. */
function headSize(argument: number | bigint): number {
  if (argument < 24) return 1;
  if (argument < 2 ** 8) return 2;
  if (argument < 2 ** 16) return 3;
  return argument < 2 ** 32 ? 5 : 9;
}

/** Writes from `at` on; the place behind it. */
function write(bytes: Uint8Array, at: number, value: Canonical): number {
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (typeof value === 'number' ? !Number.isSafeInteger(value) : BigInt.asIntN(65, value) !== value)
      throw new RangeError(`${value} is not a whole number of 64 bits`);
    if (value >= 0) return writeHead(bytes, at, POSITIVE, value);
    return writeHead(bytes, at, NEGATIVE, typeof value === 'number' ? -1 - value : -1n - value);
  }
  if (value === null) {
    bytes[at] = NULL;
    return at + 1;
  }
  if (value instanceof Uint8Array || typeof value === 'string') {
    const content = typeof value === 'string' ? UTF8.encode(value) : value;
    const start = writeHead(bytes, at, typeof value === 'string' ? TEXT : BYTES, content.length);
    bytes.set(content, start);
    return start + content.length;
  }
  let end = writeHead(bytes, at, LIST, value.length);
  for (const item of value) end = write(bytes, end, item);
  return end;
}

function writeHead(bytes: Uint8Array, at: number, major: number, argument: number | bigint): number {
  const size = headSize(argument);
  if (size === 1) bytes[at] = major | Number(argument);
  else {
    bytes[at] = major | (size === 2 ? 24 : size === 3 ? 25 : size === 5 ? 26 : 27);
    let rest = argument;
    for (let i = at + size - 1; i > at; i--) {
      bytes[i] = Number(typeof rest === 'number' ? rest % 256 : rest & 255n);
      rest = typeof rest === 'number' ? Math.floor(rest / 256) : rest >> 8n;
    }
  }
  return at + size;
}

/** Null when the bytes are not the canonical encoding of anything. Never throws. */
export function decode(bytes: Uint8Array): Canonical {
  try {
    const value = cborDecode(bytes, { strict: true, allowIndefinite: false, allowUndefined: false, allowNaN: false });
    return sameBytes(encode(value), bytes) ? (value as Canonical) : null;
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
