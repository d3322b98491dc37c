/**
 * A fifth charge point on real wires: `npm start -- --spare 1`, then what it prints, typed as it stands. It becomes a member,
 * trades, votes; later another one is removed. Nobody restarts.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { openForReport, replay, verifyLedger } from '../../firmware/ledger-report.ts';
import type { NeighbourhoodView, NodeView } from '../../firmware/page/view.ts';
import { openVotes } from '../../firmware/protocol/certificate.ts';
import type { Summary } from '../../sim-hardware/bench.ts';
import { eventually } from './eventually.ts';
import { processesWith } from './processes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SCALE = 40;
const NEWCOMER = 6; // after four charge points, the head meter and the registrar
/** The wall's time for so many rounds, with as much again for a busy machine. */
const rounds = (count: number) => ({ within_ms: (2 * count * 300_000) / SCALE, tell: () => bench.said.err });

/** In a process group of its own, as a terminal would. */
class Terminal {
  readonly child: ChildProcess;
  readonly said = { out: '', err: '' };
  readonly ended: Promise<number | null>;
  constructor(command: string) {
    this.child = spawn('sh', ['-c', `exec ${command}`], { cwd: root, detached: true });
    for (const [stream, name] of [
      [this.child.stdout, 'out'],
      [this.child.stderr, 'err'],
    ] as const)
      stream?.on('data', (text) => {
        this.said[name] += text;
      });
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
  }
  interrupt(): void {
    process.kill(-(this.child.pid as number), 'SIGINT');
  }
}

const folder = mkdtempSync(join(tmpdir(), 'p2pebt-members-'));
const ledger = (name: string): string => join(folder, name, 'ledger.sqlite');
let bench: Terminal;
let newcomer: Terminal;

beforeAll(() => {
  bench = new Terminal(`npm start -- --spare 1 --port 0 --json --scale ${SCALE} --dir ${folder}`);
});
afterAll(() => {
  for (const { pid } of processesWith(folder)) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true });
});

/** What a command says, which ends by itself. */
const typed = async (command: string): Promise<string> =>
  (await promisify(execFile)('sh', ['-c', command], { cwd: root, timeout: 120_000 })).stdout;
async function view(): Promise<NeighbourhoodView> {
  const [, page] = /The page: (\S+)/.exec(bench.said.err) ?? [];
  return (await (await fetch(new URL('api/view', page))).json()) as NeighbourhoodView;
}
const node = async (name: string): Promise<NodeView | undefined> =>
  (await view()).nodes.find((other) => other.name === name);
const isClosed = (of: NodeView | undefined): boolean =>
  [of?.chargePoint?.contacts.charge, of?.chargePoint?.contacts.discharge].some((one) => one?.observed === 'closed');
const committed = (): number => bench.said.err.split(' committed, ').length - 1;
const commits = (count: number) => {
  const before = committed();
  return eventually(`${count} more rounds committed`, () => committed() >= before + count, rounds(count + 3));
};

test('the registrar adds it by the printed command, and its controller starts with the printed line', async () => {
  await commits(1);
  const [, add, configuration, run] =
    /let it in:\n {2}(.*)\nappend the line that this prints to (\S+), and start its controller:\n {2}(.*)\n/.exec(
      bench.said.err,
    ) ?? [];
  const [joins] = /^joins: .*\n/m.exec(await typed(add)) ?? [];
  expect(joins).toContain(`member: ${NEWCOMER}`);
  appendFileSync(configuration, joins as string);
  newcomer = new Terminal(run);
  const { value } = await eventually('it says that it is no member yet', () => node('cp-5'), rounds(2));
  expect(isClosed(value)).toBe(false);
});

test('it is a member after the hand-over: five vote, and its contacts follow the plan', async () => {
  await eventually('a block of five voters', () => bench.said.err.includes(' of 5 votes'), rounds(6));
  await eventually(
    'a contact closed by the plan',
    async () => {
      const now = await node('cp-5');
      return isClosed(now) && now?.chargePoint?.reason.includes('plan of block');
    },
    rounds(6),
  );
});

test('a charge point that trades is removed: it stops, its contacts stay open, the others go on', async () => {
  const { value: leaver } = await eventually(
    'a closed contact of another',
    async () => (await view()).nodes.find((one) => one.name.startsWith('cp-') && one.name !== 'cp-5' && isClosed(one)),
    rounds(6),
  );
  const [access] = /--config \S+ --key \S+/.exec(bench.said.err) ?? [];
  const before = bench.said.err.length;
  expect(await typed(`npm run p2pebt -- member remove ${leaver.name} ${access}`)).toContain(`${leaver.name} leaves`);
  await eventually('a block of the four', () => bench.said.err.slice(before).includes(' of 4 votes'), rounds(6));
  await commits(1); // what was allocated to it before is delivered
  await eventually('its contacts are open', async () => !isClosed(await node(leaver.name)), rounds(1));
  const since = (await view()).chain.blocks[0].round;
  const seen = { closed: [] as string[], others: false };
  const enough = committed() + 1;
  await eventually(
    'one more round',
    async () => {
      for (const one of (await view()).nodes.filter(isClosed)) {
        if (one.name === leaver.name) seen.closed.push(one.chargePoint?.reason ?? '');
        else seen.others = true;
      }
      return committed() >= enough;
    },
    rounds(5),
  );
  expect(seen).toEqual({ closed: [], others: true });
  expect((await node(leaver.name))?.chargePoint?.orders.filter(({ round }) => round > since)).toEqual([]);
});

test('at the end its votes and its energy are on the chain, its ledger verifies, and nothing happened that must not', async () => {
  newcomer.interrupt();
  await newcomer.ended; // by the signal: the shell under npm run passes that on
  expect(newcomer.said.out).toContain('"msg":"stopped"');
  bench.interrupt();
  expect(await bench.ended, bench.said.err).toBe(0);
  const { violations } = JSON.parse(bench.said.out.trim().split('\n').at(-1) as string) as Summary;
  expect(violations).toEqual([]);
  expect(verifyLedger(ledger('cp-5')).ok).toBe(true);
  const { registry, chain, past } = openForReport(ledger('cp-1'));
  const gate = createGate(registry, sha256, () => true);
  const voters = chain.blocks.map(({ certificate }) => openVotes(certificate, gate).map(({ sender }) => sender));
  expect(voters.flat()).toContain(NEWCOMER);
  const { settlement } = replay(registry, chain, false, past).chronicle;
  const traded = settlement.filter(
    ({ node, order, metered_J }) => node === NEWCOMER && order !== null && metered_J !== 0,
  );
  expect(traded).not.toEqual([]);
});
