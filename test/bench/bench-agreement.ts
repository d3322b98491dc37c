/**
 * `npm run bench:agreement [-- --nodes 10,50,100 --rounds 10 --processes 2]`: agreement over Mosquitto with the runtime and
 * the adapters of a controller, everything verified by every node. One node has a process of its own: what it uses is what a
 * controller uses. Agreement runs by the wall with the protocol's Δ of 2 s; the hours in between are leapt over, those of the
 * candidates passed five times faster. Ledgers are written below TMPDIR: each vote is synced, and all nodes share one disk.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createVerify } from '../../firmware/adapters/ed25519.ts';
import { decidedAt, decisionStart, hours } from '../../firmware/protocol/round.ts';
import { unixMillis } from '../../hal/units.ts';
import { eventually } from '../e2e/eventually.ts';
import { startMosquitto } from '../e2e/mosquitto.ts';
import { neighbourhoodOf, signerOf } from '../unit/protocol-driver.ts';
import {
  type Figures,
  leapingClock,
  METERS_ms,
  type Order,
  type Progress,
  type Report,
  type Task,
  type Traffic,
  WISHES_ms,
} from './agreement-nodes.ts';
import { compare, type Figure, percentile, spread } from './figures.ts';
import { processorTime_s } from './process-figures.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '10,50,100' },
    rounds: { type: 'string', default: '10' },
    processes: { type: 'string', default: '2' },
  },
});
const [rounds, processes] = [Number(values.rounds), Number(values.processes)];
/** The first round opens only when all have skipped the past; in the second there is nothing metered yet. */
const WARM_UP = 2;
const LONGEST_WALL_ms = 300_000;
const AIMS_kB: Readonly<Record<number, number>> = { 10: 16, 100: 150 };

class Process {
  readonly child: ChildProcess;
  progress: Progress | null = null;
  private readonly up = Promise.withResolvers<void>();
  private told = Promise.withResolvers<Figures>();

  constructor(task: Task) {
    this.child = fork(fileURLToPath(new URL('agreement-nodes.ts', import.meta.url)));
    this.child.on('message', (report: Report) => {
      if (report === 'connected') this.up.resolve();
      else if ('progress' in report) this.progress = report.progress;
      else this.told.resolve(report.figures);
    });
    this.child.send(task);
  }
  /** All its nodes hear everything from now on. */
  get connected(): Promise<void> {
    return this.up.promise;
  }
  order(order: Order): void {
    this.child.send(order);
  }
  figures(): Promise<Figures> {
    this.told = Promise.withResolvers();
    this.order('figures');
    return this.told.promise;
  }
  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.order('stop');
    await gone;
  }
}

/** Charge points, and the head meter's node beside them. */
async function measure(chargePoints: number): Promise<Figure[]> {
  const neighbourhood = neighbourhoodOf(chargePoints, {
    capacity_W: 8000 * chargePoints,
    exportLimit_W: 8000 * chargePoints,
    lookAhead_rounds: 12,
  });
  const mosquitto = await startMosquitto();
  const folder = mkdtempSync(join(tmpdir(), 'p2pebt-bench-agreement-'));
  const { round_ms, delta_ms, orders_ms, solve_ms, headers_ms, act_ms } = hours(neighbourhood.roundTime_s);
  const start = unixMillis(decisionStart(5_000_000, round_ms));
  const time = { startedAt: unixMillis(Date.now()), showing: start, scale: 1 };
  const clock = leapingClock(time);
  const [alone, ...others] = neighbourhood.nodes.map((_, node) => node);
  const shares = Array.from({ length: processes }, (_, i) => others.filter((node) => node % processes === i));
  const all = [[alone], ...shares].map(
    (nodes) => new Process({ url: mosquitto.url, folder, neighbourhood, nodes, time }),
  );

  let round = 1 - WARM_UP;
  const offset = (): number => clock.now() % round_ms;
  const leapTo = (offset_ms: number): void => {
    const leap_ms = offset_ms - offset();
    if (leap_ms <= 0) return;
    clock.leap(leap_ms);
    for (const each of all) each.order({ leap_ms });
  };
  const until = (what: string, look: (told: readonly Progress[]) => boolean): Promise<unknown> => {
    const second = (offset() / 1000).toFixed(0);
    process.stderr.write(`${chargePoints} charge points, round ${round} of ${rounds}, ${second} s: ${what} ...\n`);
    return eventually(
      what,
      () => {
        const told = all.flatMap(({ progress }) => progress ?? []);
        return told.length === all.length && look(told);
      },
      { within_ms: LONGEST_WALL_ms, tell: () => JSON.stringify(all.map(({ progress }) => progress)) },
    );
  };
  const oneRound = async (): Promise<void> => {
    const deciding = decidedAt(clock.now(), round_ms);
    await until('every node decides it', (told) => told.every((each) => each.round === deciding));
    await pause(METERS_ms + WISHES_ms + delta_ms / 2);
    await until('every statement is everywhere', (told) => {
      const said = told.reduce((sum, each) => sum + each.said, 0);
      return told.every(({ held }) => held >= said) || offset() > orders_ms - delta_ms;
    });
    leapTo(orders_ms - delta_ms / 2);
    await until('SEAL', (told) => told.every(({ sealed }) => sealed === deciding) || offset() > solve_ms);
    await pause(delta_ms / 2);
    leapTo(solve_ms - delta_ms / 2);
    await until('every node has solved', (told) => told.every(({ solved }) => solved) || offset() > headers_ms);
    while (offset() < headers_ms - delta_ms) {
      await pause(delta_ms / 2);
      leapTo(Math.min(offset() + 2 * delta_ms, headers_ms - delta_ms));
    }
    await until('SCHEDULE', (told) => told.every(({ scheduled }) => scheduled === deciding) || offset() > act_ms);
    await pause(delta_ms);
    leapTo(round_ms);
  };

  try {
    await Promise.all(all.map((each) => each.connected));
    for (const each of all) each.order('start');
    for (; round <= 0; round++) await oneRound();
    const figures = () => Promise.all(all.map((each) => each.figures()));
    const broker_s = () => processorTime_s(mosquitto.pid);
    const [before, brokerBefore_s] = [await figures(), broker_s()];
    const first = decidedAt(clock.now(), round_ms);
    for (; round <= rounds; round++) await oneRound();
    const [after, brokerAfter_s] = [await figures(), broker_s()];

    const nodes = neighbourhood.nodes.length;
    const samples = after.flatMap((each) => each.samples.filter(({ round }) => round >= first));
    const schedules = samples.filter(({ kind }) => kind === 'SCHEDULE');
    const times_ms = (kind: string) => samples.filter((each) => each.kind === kind).map(({ after_ms }) => after_ms);
    const committed = Array.from({ length: rounds }, (_, i) => first + i).filter(
      (round) => schedules.filter((each) => each.round === round).length === nodes,
    );
    const perRound = (of: (each: Figures) => number, whose: readonly number[] = [...all.keys()]): number =>
      whose.reduce((sum, i) => sum + of(after[i]) - of(before[i]), 0) / rounds;
    const total = (traffic: Figures['sent'], what: keyof Traffic): number =>
      Object.values(traffic).reduce((sum, each) => sum + each[what], 0);
    const types = [...new Set(after.flatMap(({ received }) => Object.keys(received)))].sort();
    const codes = [...new Set(after.flatMap(({ refused }) => Object.keys(refused)))].sort();
    const aim_kB = AIMS_kB[chargePoints];
    return [
      { name: 'rounds committed at every node in time', value: committed.length },
      { name: 'rounds not', value: rounds - committed.length, below: 1 },
      { name: 'view changes, SCHEDULE, most', value: Math.max(...schedules.map(({ viewChanges }) => viewChanges)) },
      ...spread('T_lock to FINAL at a node', 'ms', times_ms('SCHEDULE')),
      ...spread(
        '  without the Δ from T_lock until the first view opens',
        'ms',
        times_ms('SCHEDULE').map((ms) => ms - delta_ms),
        2000,
      ),
      ...spread('T_ord to FINAL of the SEAL (2 Δ until its first view)', 'ms', times_ms('SEAL')),
      { name: 'sent by a node in a round, messages', value: perRound(({ sent }) => total(sent, 'messages')) / nodes },
      { name: 'sent by a node in a round, kB', value: perRound(({ sent }) => total(sent, 'bytes')) / nodes / 1000 },
      {
        name: 'received by a node in a round, messages',
        value: perRound(({ received }) => total(received, 'messages')) / nodes,
      },
      {
        name: 'received by a node in a round, kB',
        value: perRound(({ received }) => total(received, 'bytes')) / nodes / 1000,
        ...(aim_kB !== undefined && { below: aim_kB }),
      },
      ...types.map((type) => ({
        name: `  ${type}, kB`,
        value: perRound(({ received }) => received[type]?.bytes ?? 0) / nodes / 1000,
      })),
      ...codes.map((code) => ({
        name: `  refused as ${code}, messages`,
        value: perRound(({ refused }) => refused[code] ?? 0) / nodes,
      })),
      { name: 'one signature checked, on this machine alone, µs', value: idle_us },
      { name: 'processor, a node and round, ms', value: perRound(({ processor_ms }) => processor_ms) / nodes },
      { name: '  of it the solver', value: perRound(({ solver_ms }) => solver_ms) / nodes },
      {
        name: 'processor, the node with its own process, a round, ms',
        value: perRound((each) => each.processor_ms, [0]),
      },
      { name: 'memory of that process, MB', value: after[0].memory_MB },
      { name: 'processor of the broker in a round, ms', value: (1000 * (brokerAfter_s - brokerBefore_s)) / rounds },
    ];
  } finally {
    await Promise.all(all.map((each) => each.stop()));
    await mosquitto.remove();
    rmSync(folder, { recursive: true });
  }
}

/** What machines differ by, since half of the work is this: the median time of checking one signature, µs. */
function signature_us(): number {
  const [verify, signer, message] = [createVerify(), signerOf(0), new Uint8Array(200)];
  const signature = signer.sign(message);
  const times_us = Array.from({ length: 1000 }, () => {
    const start_ms = performance.now();
    if (!verify(signer.publicKey, message, signature)) throw new Error('a good signature was refused');
    return (performance.now() - start_ms) * 1000;
  });
  return percentile(times_us, 0.5);
}

const idle_us = Math.round(signature_us());
const columns: { head: string; figures: Figure[] }[] = [];
for (const nodes of values.nodes.split(',').map(Number))
  columns.push({ head: `N = ${nodes}`, figures: await measure(nodes) });
compare({ node: process.version, rounds, processes, roundTime_s: 300 }, columns);
