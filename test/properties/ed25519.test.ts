/**
 * The fleet's verification rule (protocol README, C28) against published vectors (RFC 8032, 7.1), the edge cases of
 * ZIP 215, and the library as a peer. Every protection is shown by a rule without it, which must fail the same list.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, verify as opensslVerify } from 'node:crypto';
import * as noble from '@noble/ed25519';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSigner, createVerify, publicKeyFlaw } from '../../firmware/adapters/ed25519.ts';
import type { Verify } from '../../firmware/ports.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const L = noble.Point.CURVE().n;
const P = noble.Point.CURVE().p;
const littleEndian = (value: bigint) => hex(value.toString(16).padStart(64, '0')).reverse();
const toScalar = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`) % L;
const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const signerFrom = (seed: Uint8Array) =>
  createSigner(
    createPrivateKey({
      key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
      format: 'der',
      type: 'pkcs8',
    }),
  );

const RFC8032 = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
];

/** The eight points of small order: multiples of one of order 8, found as the torsion part of some point. */
function torsion(): noble.Point[] {
  for (let y = 2n; ; y++) {
    try {
      const point = noble.Point.fromBytes(littleEndian(y)).multiplyUnsafe(L - 1n);
      const part = noble.Point.fromBytes(littleEndian(y)).add(point); // L times the point: its torsion part
      if (!part.double().double().is0())
        return [...Array(8).keys()].map((k) => (k === 0 ? noble.Point.ZERO : part.multiplyUnsafe(BigInt(k))));
    } catch {
      // no point with this y
    }
  }
}

/** Signs with R moved by a point of small order, which cancels only under the cofactored equation of ZIP 215. */
function torsionSignature(seed: Uint8Array, message: Uint8Array, by: noble.Point): Uint8Array {
  const { scalar, pointBytes } = noble.utils.getExtendedPublicKey(seed);
  const r = toScalar(noble.hash(join(seed, message)));
  const R = noble.Point.BASE.multiply(r).add(by).toBytes();
  const k = toScalar(noble.hash(join(R, pointBytes, message)));
  return join(R, littleEndian((r + k * scalar) % L));
}

/** Every case of the rule on which some verifier somewhere differs. Returns those on which this one is wrong. */
function disagreements(verify: Verify): string[] {
  const wrong: string[] = [];
  const expectThat = (name: string, wanted: boolean, ...args: Parameters<Verify>) => {
    let got: unknown;
    try {
      got = verify(...args);
    } catch {
      got = 'threw';
    }
    if (got !== wanted) wrong.push(name);
  };

  for (const [index, { publicKey, message, signature }] of RFC8032.entries()) {
    const [key, text, good] = [hex(publicKey), hex(message), hex(signature)];
    expectThat(`RFC 8032 test ${index + 1}`, true, key, text, good);
    expectThat(`RFC 8032 test ${index + 1}, another message`, false, key, join(text, hex('00')), good);
    const s = BigInt(`0x${Buffer.from(good.slice(32)).reverse().toString('hex')}`);
    expectThat('S is not reduced', false, key, text, join(good.slice(0, 32), littleEndian(s + L)));
  }

  const [key, text, good] = [hex(RFC8032[0]!.publicKey), hex(''), hex(RFC8032[0]!.signature)];
  expectThat('a short signature', false, key, text, good.slice(1));
  expectThat('a long signature', false, key, text, join(good, hex('00')));
  expectThat('a short key', false, key.slice(1), text, good);
  expectThat('no key', false, new Uint8Array(), text, good);
  expectThat('a key that is not a point', false, littleEndian(2n), text, good);

  const seed = hex(RFC8032[1]!.seed);
  for (const [order, point] of torsion().entries()) {
    const moved = torsionSignature(seed, hex('cafe'), point);
    expectThat(`R moved by the torsion point ${order}`, true, hex(RFC8032[1]!.publicKey), hex('cafe'), moved);
  }
  // The small-order table of ZIP 215: all 14 encodings, non-canonical ones included, as A and as R, with S = 0.
  const encodings = smallOrderEncodings();
  if (encodings.length !== 14) wrong.push(`${encodings.length} encodings of small order`);
  for (const [a, A] of encodings.entries())
    for (const [r, R] of encodings.entries())
      expectThat(`ZIP 215 A ${a}, R ${r}`, true, A, new TextEncoder().encode('Zcash'), join(R, new Uint8Array(32)));
  return wrong;
}

function smallOrderEncodings(): Uint8Array[] {
  const found = new Map<string, Uint8Array>();
  for (const point of torsion()) {
    const { x, y } = point.toAffine();
    for (const candidate of [y, y + P])
      for (const sign of x === 0n ? [0n, 1n] : [x & 1n]) {
        if (candidate >= 2n ** 255n) continue;
        const bytes = littleEndian(candidate | (sign << 255n));
        found.set(Buffer.from(bytes).toString('hex'), bytes);
      }
  }
  return [...found.values()];
}

const spki = (publicKey: Uint8Array) =>
  createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]),
    format: 'der',
    type: 'spki',
  });

describe('the rule', () => {
  test('agrees with RFC 8032 and with ZIP 215, and refuses wrong lengths without throwing', () => {
    expect(disagreements(createVerify())).toEqual([]);
  });

  test('the list notices a verifier that lets OpenSSL decide', () => {
    const opensslOnly: Verify = (publicKey, message, signature) => {
      try {
        return opensslVerify(null, message, spki(publicKey), signature);
      } catch {
        return false;
      }
    };
    expect(disagreements(opensslOnly)).toContain('R moved by the torsion point 1');
  });

  test('the list notices a verifier that is strict where the fleet is not', () => {
    const strict: Verify = (publicKey, message, signature) =>
      noble.verify(signature, message, publicKey, { zip215: false });
    expect(disagreements(strict)).toContain('ZIP 215 A 0, R 0');
  });

  test('the list notices a verifier without the check of lengths', () => {
    const unchecked: Verify = (publicKey, message, signature) => noble.verify(signature, message, publicKey);
    expect(disagreements(unchecked)).toEqual(['a short signature', 'a long signature', 'a short key', 'no key']);
  });

  test('is what noble says, for sound, damaged and random signatures', () => {
    const verify = createVerify();
    const signer = signerFrom(hex(RFC8032[2]!.seed));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(63), fc.nat(255), (message, at, damage) => {
        const signature = signer.sign(message);
        signature[at]! ^= damage;
        expect(verify(signer.publicKey, message, signature)).toBe(noble.verify(signature, message, signer.publicKey));
      }),
      { numRuns: 60 },
    );
  });
});

describe('signing', () => {
  test('gives the signatures of RFC 8032', () => {
    for (const { seed, publicKey, message, signature } of RFC8032) {
      const signer = signerFrom(hex(seed));
      expect(signer.publicKey).toEqual(hex(publicKey));
      expect(signer.sign(hex(message))).toEqual(hex(signature));
    }
  });

  test('gives the bytes that noble gives', () => {
    const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(bytes32, fc.uint8Array({ maxLength: 300 }), (seed, message) => {
        expect(signerFrom(seed).sign(message)).toEqual(noble.sign(message, seed));
      }),
      { numRuns: 40 },
    );
  });
});

describe('keys for the registry', () => {
  test('every key of small order is refused: anyone can sign for it', () => {
    for (const key of smallOrderEncodings()) {
      expect(createVerify()(key, hex('beef'), join(smallOrderEncodings()[0]!, new Uint8Array(32)))).toBe(true);
      expect(publicKeyFlaw(key)).toBe('small-order');
    }
  });

  test('a wrong length, no point, and a number beyond the field are refused; a fresh key is not', () => {
    expect(publicKeyFlaw(new Uint8Array(31))).toBe('length');
    expect(publicKeyFlaw(littleEndian(2n))).toBe('not-a-point');
    expect(publicKeyFlaw(littleEndian(P + 3n))).toBe('not-a-point');
    expect(publicKeyFlaw(createSigner(generateKeyPairSync('ed25519').privateKey).publicKey)).toBeUndefined();
  });
});
