/**
 * The README's commands, run as they stand there (blocks marked `console`). Not `npm test`, which would run itself: CI
 * calls that one. `npm start` is given a free port, so that a bench on this machine is left alone.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'p2pebt-readme-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const commands = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```console\n([\s\S]*?)```/g)]
  .flatMap(([, block]) => block.split('\n'))
  .filter((line) => line.startsWith('$ '))
  .map((line) => line.slice(2));

interface Ended {
  readonly code: number;
  readonly out: string;
}

const run = (command: string): Promise<Ended> =>
  new Promise((resolve) => {
    const inFolder = command
      .replaceAll('my-node', join(folder, 'my-node'))
      .replaceAll('registrar.pem', join(folder, 'registrar.pem'));
    const port = inFolder.startsWith('npm start') ? ' --port 0' : '';
    execFile('sh', ['-c', inFolder + port], { cwd: root, timeout: 280_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out: stdout + stderr });
    });
  });

test('the README has the commands that this test knows', () => {
  expect(commands).toEqual([
    'npm start -- --rounds 12 --json',
    'npm test',
    'npm run p2pebt -- init my-node --name cp-1',
    'npm run p2pebt -- check --config my-node/p2pebt.yaml',
    'npm run p2pebt -- member key registrar.pem',
  ]);
});

test('the key of the example node cannot be committed by mistake', () => {
  const ignored = (path: string) => spawnSync('git', ['check-ignore', '-q', path], { cwd: root }).status === 0;
  expect(['my-node/key.pem', 'elsewhere/key.pem', 'my-node/ledger.sqlite', 'README.md'].map(ignored)).toEqual([
    true,
    true,
    true,
    false, // so it does not call everything ignored
  ]);
});

test('npm start -- --rounds 12 --json ends by itself with a summary as its last line', async () => {
  const { code, out } = await run(commands[0]);
  expect(code, out).toBe(0);
  const summary = JSON.parse(
    out
      .trim()
      .split('\n')
      .findLast((line) => line.startsWith('{')) as string,
  );
  expect(summary.rounds.committed + summary.rounds.terminated).toBeGreaterThanOrEqual(12);
  expect(summary.rounds.committed).toBeGreaterThan(0);
  expect(summary.violations).toEqual([]);
});

test('the systemd unit starts the controller: with no configuration yet it says which file is missing', async () => {
  const [, start] = /^ExecStart=(.*)$/m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  const { code, out } = await run(start.replaceAll('/opt/p2pebt/my-node', 'none').replaceAll('/opt/p2pebt/', root));
  expect([code, out]).toEqual([2, expect.stringContaining('none/p2pebt.yaml: no such file')]);
});

test('init makes a node, and check names what the installer still has to fill in', async () => {
  const made = await run(commands[2]);
  expect(made.code, made.out).toBe(0);
  expect(made.out).toMatch(/[0-9a-f]{64}/);
  const fresh = await run(commands[3]);
  expect(fresh.code).not.toBe(0);
  expect(fresh.out).toMatch(/neighbourhood.*publicKey/);
});

test('member key makes a key for the registrar, and the entry that it prints is one of a neighbourhood file', async () => {
  const { code, out } = await run(commands[4]);
  expect(code, out).toBe(0);
  expect(out).toMatch(/publicKey: [0-9a-f]{64}\n\s+role: registrar/);
  expect((await run(commands[4])).out).toContain('registrar.pem'); // it is there already, and stays
});
