/**
 * A process of bench-agreement.ts: some nodes of a neighbourhood, each with everything that a controller agrees with
 * (MQTT session, door, gate, ledger and counter on disk, key, solver) and nothing that it drives. Its clock is that of
 * the wall but for the leaps that the bench tells it.
 */
import { join } from 'node:path';
import { createQuickVerify, createVerify } from '../../firmware/adapters/ed25519.ts';
import { createGate } from '../../firmware/adapters/gate.ts';
import { connectBus } from '../../firmware/adapters/mqtt-bus.ts';
import { type BenchTime, scaledClock } from '../../firmware/adapters/scaled-clock.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { openLedger } from '../../firmware/adapters/sqlite-ledger.ts';
import { createVoteCounter, openVoteCounter } from '../../firmware/adapters/vote-counter.ts';
import type { Bus, Clock } from '../../firmware/ports.ts';
import { fromHex } from '../../firmware/protocol/codec.ts';
import type { Neighbourhood } from '../../firmware/protocol/genesis.ts';
import { makeRegistry } from '../../firmware/protocol/registry.ts';
import { decisionStart, firstView, type Kind } from '../../firmware/protocol/round.ts';
import { hasOpenOrder } from '../../firmware/protocol/step.ts';
import { createRuntime, type Runtime } from '../../firmware/runtime.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { millis, unixMillis } from '../../hal/units.ts';
import { randomStream } from '../simulation/random.ts';
import { signerOf } from '../unit/protocol-driver.ts';

/** What the process is told to be. */
export interface Task {
  readonly url: string;
  readonly folder: string;
  readonly neighbourhood: Neighbourhood;
  readonly nodes: readonly number[];
  readonly time: BenchTime;
}

/** What it is told while it runs. */
export type Order = { readonly leap_ms: number } | 'start' | 'figures' | 'stop';

/** How far its nodes are: the slowest of them where there is one value for all. */
export interface Progress {
  readonly round: number;
  /** Statements for the round being decided: said by these nodes, and held by each. */
  readonly said: number;
  readonly held: number;
  readonly sealed: number;
  readonly solved: boolean;
  readonly scheduled: number;
}

export interface Traffic {
  readonly messages: number;
  /** Topic and payload. */
  readonly bytes: number;
}

/** A block that became final at a node before T_act. */
export interface Sample {
  readonly node: number;
  readonly round: number;
  readonly kind: Kind;
  /** Since T_lock (SCHEDULE) or T_ord (SEAL), by the clock. */
  readonly after_ms: number;
  /** Views of the decision that came to nothing before. */
  readonly viewChanges: number;
}

/** Since the process began. */
export interface Figures {
  readonly samples: readonly Sample[];
  /** By type of message. */
  readonly sent: Readonly<Record<string, Traffic>>;
  readonly received: Readonly<Record<string, Traffic>>;
  readonly refused: Readonly<Record<string, number>>;
  readonly processor_ms: number;
  readonly solver_ms: number;
  readonly memory_MB: number;
}

export type Report = 'connected' | { readonly progress: Progress } | { readonly figures: Figures };

/** The clock of a bench that passes over the hours in which nothing happens. */
export function leapingClock(time: BenchTime): Clock & { leap(by_ms: number): void } {
  const clock = scaledClock(time);
  let leapt_ms = 0;
  return {
    ...clock,
    now: () => unixMillis(clock.now() + leapt_ms),
    leap: (by_ms) => {
      leapt_ms += by_ms;
    },
  };
}

/** As the firmware's own (firmware/main.ts). */
const SOLVE_WALL_ms = 150;
const PROGRESS_WALL_ms = 200;
/** Within a round: meters state at its beginning, then owners' wishes, then the head meter. */
export const METERS_ms = 1000;
export const WISHES_ms = 2000;
const WISH = 0.6;

function run({ url, folder, neighbourhood, nodes, time }: Task): void {
  const registry = makeRegistry(neighbourhood, sha256);
  const clock = leapingClock(time);
  const samples: Sample[] = [];
  const sent: Record<string, Traffic> = {};
  const received: Record<string, Traffic> = {};
  const refused: Record<string, number> = {};
  let solver_ms = 0;

  const count = (traffic: Record<string, Traffic>, topic: string, payload: Uint8Array): void => {
    const type = topic.split('/')[3];
    const { messages, bytes } = traffic[type] ?? { messages: 0, bytes: 0 };
    traffic[type] = { messages: messages + 1, bytes: bytes + topic.length + payload.length };
  };
  const counted = (bus: Bus): Bus => ({
    get connected() {
      return bus.connected;
    },
    publish(topic, payload) {
      count(sent, topic, payload);
      bus.publish(topic, payload);
    },
    onMessage: (listener) =>
      bus.onMessage((topic, payload) => {
        count(received, topic, payload);
        listener(topic, payload);
      }),
    onConnection: (listener) => bus.onConnection(listener),
    close: () => bus.close(),
  });

  const started = nodes.map((self) => {
    const { name, connector } = neighbourhood.nodes[self];
    const random = randomStream(1, name);
    const signer = signerOf(self);
    const counter = join(folder, `${name}.votes`);
    createVoteCounter(counter);
    const identity = { publicKey: signer.publicKey, genesisHash: fromHex(registry.genesis) };
    const ledger = openLedger(join(folder, `${name}.sqlite`), identity, openVoteCounter(counter));
    const bus = connectBus({
      urls: [url],
      microgrid: neighbourhood.microgrid,
      node: name,
      onProblem: (problem) => process.stderr.write(`${name}: ${problem}\n`),
    });
    /** Power of this node's plans, W by round. */
    const plans = new Map<number, number>();
    let registers = { imported_Wh: 0, exported_Wh: 0 };

    /** What a node says at the beginning of a round, spread as by the readings of its meter. */
    const begin = (round: number): void => {
      if (connector === undefined) return void clock.after(millis(METERS_ms + WISHES_ms), () => readSite(round));
      clock.after(millis(random.whole(0, METERS_ms)), () => {
        const before = registers;
        const energy_Wh = Math.floor(((plans.get(round - 2) ?? 0) * neighbourhood.roundTime_s) / 3600);
        registers = {
          imported_Wh: before.imported_Wh + Math.max(0, energy_Wh),
          exported_Wh: before.exported_Wh + Math.max(0, -energy_Wh),
        };
        const statement = {
          importedBefore_Wh: before.imported_Wh,
          exportedBefore_Wh: before.exported_Wh,
          ...registers,
          mode: plans.has(round - 2) ? ('lease' as const) : ('fallback' as const),
        };
        runtime.feed({ kind: 'metered', round: round - 2, statement });
      });
      const side = random.chance(0.7) ? 'buy' : 'sell';
      const power_W = random.whole(1380, 11_000);
      if (!random.chance(WISH)) return;
      clock.after(millis(METERS_ms + random.whole(0, WISHES_ms)), () => {
        if (hasOpenOrder(runtime.state)) return;
        const wish = { side, price: 25_000, power_W, maxWait_rounds: 2, divisible: false, minimum_W: power_W } as const;
        runtime.feed({ kind: 'wish', wish });
      });
    };
    const readSite = (round: number): void => {
      const takenAt_ms = decisionStart(round, runtime.state.hours.round_ms);
      registers = { imported_Wh: registers.imported_Wh + random.whole(4000, 9000), exported_Wh: 0 };
      runtime.feed({ kind: 'site', reading: { takenAt_ms, ...registers, power_W: 60_000 } });
    };

    const runtime: Runtime = createRuntime(
      {
        registry,
        self,
        hash: sha256,
        clock,
        bus: counted(bus),
        ledger,
        name: registry.members[self].name,
        signers: [signer],
        gate: createGate(registry, sha256, createVerify(), createQuickVerify()),
        solve(instance) {
          const began = performance.now();
          const plan = solve(instance, 'plan', { deadline: () => performance.now() > began + SOLVE_WALL_ms });
          solver_ms += performance.now() - began;
          return plan;
        },
      },
      {
        plan: ({ round, power, direction }) => plans.set(round, direction === 'discharge' ? -power : power),
        final({ block: { body, round, view } }) {
          if (body.kind === 'CARRY') return;
          const { hours } = runtime.state;
          const from_ms = body.kind === 'SEAL' ? hours.orders_ms : hours.lock_ms;
          const offset_ms = clock.now() - decisionStart(round, hours.round_ms);
          if (offset_ms < hours.act_ms)
            samples.push({
              node: self,
              round,
              kind: body.kind,
              after_ms: offset_ms - from_ms,
              viewChanges: view - firstView(round, body.kind),
            });
        },
        note({ code, round }) {
          if (code === 'round-begins') begin(round);
        },
        refused(code) {
          refused[code] = (refused[code] ?? 0) + 1;
        },
      },
    );
    return { runtime, bus, ledger };
  });

  const states = started.map(({ runtime }) => runtime.state);
  const least = (of: (state: Runtime['state']) => number): number => Math.min(...states.map(of));
  /** Of the round being decided, those of one sender or all. */
  const statements = ({ pool, deciding }: Runtime['state'], by?: number): number =>
    [...pool.orders.values(), ...pool.meters.values(), ...pool.sites.values()].filter(
      ({ sender, round, body }) =>
        round === (body.type === 'METER' ? deciding - 2 : deciding) && (by === undefined || sender === by),
    ).length;
  const tell = (report: Report): void => void process.send?.(report);
  const telling = setInterval(() => {
    const progress = {
      round: least(({ deciding }) => deciding),
      said: states.reduce((sum, state) => sum + statements(state, state.self), 0),
      held: least((state) => statements(state)),
      sealed: least(({ finalNode }) => finalNode.state.sealRound),
      solved: states.every(({ solving }) => solving !== null),
      scheduled: least(({ finalNode }) => finalNode.state.scheduleRound),
    };
    tell({ progress });
  }, PROGRESS_WALL_ms);

  process.on('message', async (order: Order) => {
    if (order === 'start') for (const { runtime } of started) runtime.start();
    else if (order === 'figures') {
      const { user, system } = process.cpuUsage();
      const processor_ms = (user + system) / 1000;
      const memory_MB = process.memoryUsage.rss() / 1e6;
      tell({ figures: { samples, sent, received, refused, processor_ms, solver_ms, memory_MB } });
    } else if (order !== 'stop') clock.leap(order.leap_ms);
    else {
      clearInterval(telling);
      for (const { runtime } of started) runtime.stop();
      await Promise.all(started.map(({ bus }) => bus.close()));
      for (const { ledger } of started) ledger.close();
      process.exit(); // wishes may still wait for their hour
    }
  });
  void Promise.all(started.map(({ bus }) => bus.firstConnection)).then(() => tell('connected'));
}

// The bench itself imports what is above.
if (import.meta.main) process.once('message', run);
