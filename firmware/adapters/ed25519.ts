/**
 * Signatures. One verification rule for the whole fleet (protocol README, C28): @noble/ed25519 with its ZIP 215
 * default decides. OpenSSL is a fast path in one direction: what it accepts, ZIP 215 accepts (its equation is the
 * stricter, cofactorless one); what it rejects goes to noble, about 15 times slower, whose word is final.
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import * as noble from '@noble/ed25519';
import type { Signer, Verify } from '../ports.ts';

noble.hashes.sha512 = (message) => new Uint8Array(createHash('sha512').update(message).digest());

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
/** DER of a SubjectPublicKeyInfo up to the 32 bytes of the key (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
/** Parsed keys kept: several times a neighbourhood, so that a key is parsed once. */
const KEYS_KEPT = 1024;

/** The fast path alone: its yes is the fleet's, its no means nothing yet. Never throws. Keeps parsed keys. */
export function createQuickVerify(): Verify {
  const keys = new Map<string, KeyObject>();

  const parsed = (publicKey: Uint8Array): KeyObject => {
    const name = Buffer.from(publicKey).toString('latin1');
    const known = keys.get(name);
    if (known) return known;
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
    if (keys.size >= KEYS_KEPT) keys.clear();
    keys.set(name, key);
    return key;
  };

  return (publicKey, message, signature) => {
    try {
      return verify(null, message, parsed(publicKey), signature);
    } catch {
      return false; // OpenSSL could not even read the key; noble decides
    }
  };
}

/** The fleet's rule. Never throws. */
export function createVerify(): Verify {
  const acceptedByOpenSsl = createQuickVerify();
  return (publicKey, message, signature) => {
    if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false; // noble would throw
    return acceptedByOpenSsl(publicKey, message, signature) || noble.verify(signature, message, publicKey);
  };
}

/** Signs with OpenSSL: Ed25519 is deterministic, so the bytes are those noble would give (RFC 8032 5.1.6). */
export function createSigner(privateKey: KeyObject): Signer {
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length);
  return {
    publicKey: new Uint8Array(publicKey),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
}

export type PublicKeyFlaw = 'length' | 'not-a-point' | 'small-order';

/** Why a public key must not be registered; undefined for a good one. Anyone can sign for a key of small order. */
export function publicKeyFlaw(publicKey: Uint8Array): PublicKeyFlaw | undefined {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return 'length';
  try {
    // Small order first: several of those keys are also not canonical, and this is the graver flaw.
    if (noble.Point.fromBytes(publicKey, true).isSmallOrder()) return 'small-order';
    noble.Point.fromBytes(publicKey);
    return undefined;
  } catch {
    return 'not-a-point';
  }
}
