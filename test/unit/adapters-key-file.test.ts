/** The key file: made once, readable by its owner only, refused otherwise with a message that says what to do. */
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createVerify } from '../../firmware/adapters/ed25519.ts';
import { createKeyFile, loadKeyFile } from '../../firmware/adapters/key-file.ts';
import { createLog } from '../../firmware/adapters/log.ts';
import type { SecretFileError } from '../../firmware/adapters/secret-file.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'p2pebt-key-'));
  file = join(folder, 'key.pem');
});
afterEach(() => rmSync(folder, { recursive: true }));

function refusal(action: () => unknown): { code: string; message: string } | 'none' {
  try {
    action();
    return 'none';
  } catch (error) {
    const { code, message } = error as SecretFileError;
    return { code, message: message.replaceAll(folder, '') };
  }
}

test('a new key has mode 0600, loads again, and signs', () => {
  const made = createKeyFile(file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const loaded = loadKeyFile(file);
  expect(loaded.publicKey).toEqual(made.publicKey);
  const message = new TextEncoder().encode('order');
  expect(createVerify()(made.publicKey, message, loaded.sign(message))).toBe(true);
});

test('a key is never overwritten', () => {
  createKeyFile(file);
  const before = readFileSync(file, 'utf8');
  expect(refusal(() => createKeyFile(file))).toMatchObject({ code: 'exists' });
  expect(readFileSync(file, 'utf8')).toBe(before);
});

/** The modes under which a loader gives the key away. */
function exposedModesAccepted(load: (path: string) => unknown): string[] {
  createKeyFile(file);
  return [0o600, 0o400, 0o640, 0o604, 0o644, 0o620, 0o610, 0o666]
    .filter((mode) => {
      chmodSync(file, mode);
      return refusal(() => load(file)) === 'none';
    })
    .map((mode) => mode.toString(8));
}

test('a key that anyone but its owner may use is refused', () => {
  expect(exposedModesAccepted(loadKeyFile)).toEqual(['600', '400']);
  chmodSync(file, 0o644);
  expect(refusal(() => loadKeyFile(file))).toEqual({
    code: 'exposed',
    message: '/key.pem: others than its owner may use it (mode 0644); run: chmod 600 /key.pem',
  });
});

test('that test notices a loader that does not look at the mode', () => {
  expect(exposedModesAccepted((path) => readFileSync(path, 'utf8'))).toContain('644');
});

test('no file, no key, and the wrong kind of key are told apart from each other', () => {
  expect(refusal(() => loadKeyFile(file))).toMatchObject({ code: 'missing' });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  for (const text of ['', 'not a key', privateKey.export({ format: 'pem', type: 'pkcs8' })]) {
    writeFileSync(file, text, { mode: 0o600 });
    expect(refusal(() => loadKeyFile(file))).toMatchObject({ code: 'not-a-key' });
  }
});

test('the key leaves the adapter as a signer only', () => {
  const signer = createKeyFile(file);
  expect(Object.keys(signer).sort()).toEqual(['publicKey', 'sign']);
  expect(JSON.stringify(signer)).not.toContain('PRIVATE');
});

test('the log is one JSON object a line, with node, level and time, from the wanted level up', () => {
  const lines: string[] = [];
  const log = createLog('cp-1', 'info', { write: (line: string) => void lines.push(line) });
  log.debug('unseen');
  log.warn({ device: 'meter' }, 'silent for 5 s');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    {
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      node: 'cp-1',
      device: 'meter',
      msg: 'silent for 5 s',
    },
  ]);
});
