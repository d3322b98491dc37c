/** The node's ed25519 key on disk: PKCS#8 PEM, mode 0600. It leaves this file only as a Signer. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Signer } from '../ports.ts';
import { createSigner } from './ed25519.ts';
import { COMMAND } from './invocation.ts';
import { readSecretFile, SecretFileError, writeSecretFile } from './secret-file.ts';
import { counterFile, createVoteCounter } from './vote-counter.ts';

/** Makes a new key, and the counter of its votes beside it. @throws SecretFileError `exists`. */
export function createKeyFile(path: string): Signer {
  const { privateKey } = generateKeyPairSync('ed25519');
  writeSecretFile(path, privateKey.export({ format: 'pem', type: 'pkcs8' }) as string);
  createVoteCounter(counterFile(path));
  return createSigner(privateKey);
}

/** @throws SecretFileError `missing`, `unreadable`, `exposed`, `not-a-key`. */
export function loadKeyFile(path: string): Signer {
  const pem = readSecretFile(path);
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(pem);
  } catch {
    // Not a private key at all: reported below with the other ways of being wrong.
  }
  if (key?.asymmetricKeyType !== 'ed25519')
    throw new SecretFileError(
      'not-a-key',
      `${path}: holds no ed25519 private key; restore it from a backup, or make a new one with: ${COMMAND} init (and register it)`,
    );
  return createSigner(key);
}
