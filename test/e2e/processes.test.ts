/** `npm start` as a person runs and ends it, gently and not: nothing is left running, no contact closed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Summary } from '../../sim-hardware/bench.ts';
import { eventually } from './eventually.ts';
import { processesWith } from './processes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'p2pebt-e2e-'));
});
afterEach(() => {
  for (const { pid } of running()) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true });
});

const running = () => processesWith(folder);
/** The controllers among them. */
const controllers = () => running().filter(({ command }) => command.includes('p2pebt.cjs run'));
const benches = () => running().filter(({ command }) => command.includes('sim-hardware/main.ts'));

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  stderr(): string;
}

/** In a process group of its own, as a terminal would. */
function npmStart(...flags: string[]): Run {
  const args = ['start', '--', '--port', '0', '--json', '--scale', '60', '--dir', folder, ...flags];
  const child = spawn('npm', args, { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended, stderr: () => stderr };
}

const summaryOf = (stdout: string): Summary => JSON.parse(stdout.trim().split('\n').at(-1) as string) as Summary;
const nobody = () =>
  eventually('every process has ended', () => running().length === 0, {
    within_ms: 20_000,
    tell: () => JSON.stringify(running()),
  });

test('Ctrl-C after the first round: exit 0, every contact open, nothing left running', async () => {
  const { child, ended, stderr } = npmStart();
  await eventually('the first round is committed', () => stderr().includes('committed'), {
    within_ms: 60_000,
    tell: stderr,
  });
  process.kill(-(child.pid as number), 'SIGINT'); // a terminal sends it to all of them at once
  const { code, stdout } = await ended;
  expect([code, summaryOf(stdout).violations]).toEqual([0, []]);
  await nobody();
});

test('Ctrl-C while it is still starting: exit 0, nothing left running', async () => {
  const { child, ended, stderr } = npmStart();
  await eventually('a controller runs', () => controllers().length > 0, { tell: stderr });
  process.kill(-(child.pid as number), 'SIGINT');
  const { code, stderr: said } = await ended;
  expect([code, said]).toEqual([0, expect.not.stringContaining('VIOLATION')]);
  await nobody();
});

test('SIGTERM at a controller that is starting is told as that', async () => {
  const { ended, stderr } = npmStart();
  await eventually('a controller runs', () => controllers().length > 0, { tell: stderr });
  const [{ pid }] = controllers();
  process.kill(pid, 'SIGTERM');
  const { code, stderr: said } = await ended;
  expect([code, said]).toEqual([1, expect.stringMatching(/bench: \S+ was ended by SIGTERM while it started\n/)]);
  await nobody();
});

test.each([
  ['the bench', () => benches().filter(({ command }) => !command.includes('launch.cjs') && !command.includes('npm'))],
  [
    'what npm started',
    () => benches().filter(({ command }) => command.includes('launch.cjs') && !command.startsWith('sh ')),
  ],
])('SIGKILL of %s: the controllers end by themselves', async (_whom, victims) => {
  const { ended, stderr } = npmStart();
  await eventually('it is up', () => controllers().length === 5 && stderr().includes('committed'), {
    within_ms: 60_000,
    tell: stderr,
  });
  const [victim] = victims();
  process.kill(victim.pid, 'SIGKILL');
  await nobody();
  expect((await ended).code).not.toBe(0);
  for (const name of readdirSync(folder).filter((name) => name !== 'neighbourhood.json' && name !== 'registrar')) {
    const log = readFileSync(join(folder, name, 'log'), 'utf8')
      .trimEnd()
      .split('\n');
    expect(log.at(-1), name).toContain('"msg":"stopped"'); // and no stack trace after it
  }
});

test('Ctrl-C twice in a terminal: what it says last stays to be read', async () => {
  const command = `npm start -- --port 0 --scale 60 --dir ${folder}`;
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: root, stdio: ['pipe', 'pipe', 'ignore'] });
  let shown = '';
  child.stdout.on('data', (text) => {
    shown += text;
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await eventually('it is up', () => shown.includes('next round in'), { within_ms: 60_000, tell: () => shown });
  child.stdin.write('\x03');
  await eventually('it stops', () => shown.includes('Stopping'), { tell: () => shown });
  child.stdin.write('\x03');
  await ended;
  // Each line as the parts that were drawn one over the other: the line in between is not drawn again, nothing is glued on.
  const lines = shown
    .slice(shown.lastIndexOf('\r\x1b[KStopping'))
    .split('\r\n')
    .map((line) => line.replace('^C', '').split('\r\x1b[K'));
  expect(lines.slice(0, 3)).toEqual([
    ['', 'Stopping: opening every contact ...'],
    ['', expect.stringMatching(/^\d+ rounds? committed, \d+ terminated, in [\d.]+ s$/)],
    ['', expect.stringMatching(/^energy: of the settled orders /)],
  ]);
  await nobody();
});
