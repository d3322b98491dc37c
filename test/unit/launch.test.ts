/**
 * The launcher on a tree of its own: installs what is missing with a pretend npm, starts programs under the right Node,
 * hands on arguments, exit codes and signals, and says clearly what it cannot do.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const LAUNCHER = join(import.meta.dirname, '../../firmware/launch.cjs');
const lock = (version: string): string =>
  JSON.stringify({
    packages: {
      '': {},
      'node_modules/needed': { version },
      'node_modules/elsewhere': { version: '1.0.0', optional: true }, // for another platform
    },
  });

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'p2pebt-launch-'));
  write('package-lock.json', lock('1.0.0'));
  write('node_modules/.package-lock.json', lock('1.0.0'));
  write(
    'tell.cjs',
    'console.log(JSON.stringify([process.argv.slice(2), process.env.PATH.split(require("path").delimiter)[0]]));',
  );
  mkdirSync(join(root, 'node_modules/.bin'));
  symlinkSync(process.execPath, join(root, 'node_modules/.bin/node'));
  mkdirSync(join(root, 'firmware'));
  cpSync(LAUNCHER, join(root, 'firmware/launch.cjs'));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(name: string, text: string): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), text);
}

/** A pretend npm that notes how it was called, talks, and then does what it is told. */
function pretendNpm(then: string): void {
  write('path/npm', `#!/bin/sh\necho "$@" > "${root}/npm-called"\necho "npm talks"\n${then}\n`);
  chmodSync(join(root, 'path/npm'), 0o755);
}

function launch(args: readonly string[], node: readonly string[] = []): ChildProcess {
  return spawn(process.execPath, [...node, join(root, 'firmware/launch.cjs'), ...args], {
    env: { ...process.env, PATH: `${join(root, 'path')}${delimiter}${process.env['PATH']}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function run(args: readonly string[], node: readonly string[] = []) {
  const child = launch(args, node);
  let [out, err] = ['', ''];
  child.stdout?.on('data', (text) => (out += text));
  child.stderr?.on('data', (text) => (err += text));
  const [code] = await once(child, 'close');
  return { code, out, err };
}

test('hands on the arguments, finds programs of node_modules first, and says nothing itself', async () => {
  const { code, out, err } = await run(['./tell.cjs', '--port', '0']);
  expect([code, err]).toEqual([0, '']);
  expect(JSON.parse(out)).toEqual([['--port', '0'], join(root, 'node_modules/.bin')]);
});

test('a bare name is a program of node_modules/.bin', async () => {
  symlinkSync('../../tell.cjs', join(root, 'node_modules/.bin/tell'));
  expect(JSON.parse((await run(['tell', 'a b'])).out)[0]).toEqual(['a b']);
});

test('ends with the exit code of the program', async () => {
  write('fail.cjs', 'process.exit(7);');
  expect((await run(['./fail.cjs'])).code).toBe(7);
});

test('hands on a signal and waits for the program to end in its own way', async () => {
  write('wait.cjs', "process.on('SIGTERM', () => process.exit(5)); console.log('up'); setInterval(() => {}, 1000);");
  const child = launch(['./wait.cjs']);
  await once(child.stdout!, 'data');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([5, null]);
});

test('a program notices when the launcher was killed', async () => {
  write(
    'orphan.cjs',
    "process.on('disconnect', () => { console.log('alone'); process.exit(); }); console.log('up'); setInterval(() => {}, 1000);",
  );
  const child = launch(['./orphan.cjs']);
  let out = '';
  child.stdout?.on('data', (text) => (out += text));
  await once(child.stdout!, 'data');
  child.kill('SIGKILL');
  await once(child.stdout!, 'close'); // the program holds the other end
  expect(out).toBe('up\nalone\n');
});

test('installs the locked dependencies when one is missing or of another version; npm never speaks on stdout', async () => {
  write('package-lock.json', lock('1.0.1'));
  pretendNpm(`cp "${root}/package-lock.json" "${root}/node_modules/.package-lock.json"`);
  const first = await run(['./tell.cjs']);
  expect(readFileSync(join(root, 'npm-called'), 'utf8')).toMatch(/^ci /);
  expect(first.err).toContain('installing the locked dependencies');
  expect(first.err).toContain('npm talks');
  expect(JSON.parse(first.out)[0]).toEqual([]);
  rmSync(join(root, 'npm-called'));
  await run(['./tell.cjs']);
  expect(existsSync(join(root, 'npm-called'))).toBe(false);
});

test('npm fails: one clear message, exit code 1, nothing started', async () => {
  rmSync(join(root, 'node_modules/.package-lock.json'));
  pretendNpm('exit 3');
  const { code, out, err } = await run(['./tell.cjs']);
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain('npm ci failed (see above); nothing was started');
});

test('an old Node where no locked one exists: which, and what to do', async () => {
  rmSync(join(root, 'node_modules/.bin/node'));
  const asNode = async (version: string) => {
    write('pretend.cjs', `Object.defineProperty(process, 'versions', { value: { node: '${version}' } });`);
    return run(['./tell.cjs'], ['--require', join(root, 'pretend.cjs')]);
  };
  const old = await asNode('18.20.0');
  expect([old.code, old.out]).toEqual([1, '']);
  expect(old.err).toMatch(/this is Node 18\.20\.0, .*Install Node 24/);
  for (const version of ['22.18.0', '24.3.0']) expect((await asNode(version)).code).toBe(0);
  expect((await asNode('22.17.1')).code).toBe(1);
});
