/**
 * The bench: one simulated world on real wires, an embedded broker (or yours), and the very controllers that run on
 * devices, one process each with its own configuration, key and ledger. The bench knows the controllers only as a
 * person would: by their configuration files, their pages, their ledgers and their processes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Aedes } from 'aedes';
import { createKeyFile } from '../firmware/adapters/key-file.ts';
import { scaledClock } from '../firmware/adapters/scaled-clock.ts';
import type { Chronicle } from '../firmware/chronicle.ts';
import { openForReport, replay, report, wrongs } from '../firmware/ledger-report.ts';
import type { Ready } from '../firmware/main.ts';
import { gather, type NeighbourhoodView, withoutController } from '../firmware/page/view.ts';
import type { Clock } from '../firmware/ports.ts';
import type { Neighbourhood, RegisteredNode } from '../firmware/protocol/genesis.ts';
import { everyone } from '../firmware/protocol/members.ts';
import { unixMillis } from '../hal/units.ts';
import { standardLoad_W } from './households.ts';
import { boardPins, connectorUnit, meterUnit, type ServeOptions, serve, type Wires } from './wires/serve.ts';
import { connectorTypes, type OwnerCard, World } from './world.ts';

export interface BenchOptions {
  /** Charge points and the head meter's node together: 5 to 41. */
  readonly nodes: number;
  /** Charge points with wires and a vehicle that are no members yet; a person lets them in and runs their controllers. */
  readonly spares?: number;
  readonly seed: number;
  /** Seconds of the bench a second of the wall. */
  readonly scale: number;
  /** A broker of yours; embedded without. */
  readonly broker?: string;
  /** An empty folder that keeps keys, configurations, ledgers and logs; a temporary one that is removed without. */
  readonly directory?: string;
  /** The boards' timer; a bench that must show what a board without a lease does brings its own. */
  readonly boards?: Pick<ServeOptions, 'after'>;
}

export interface Summary {
  readonly nodes: number;
  readonly seed: number;
  readonly scale: number;
  readonly wall_s: number;
  readonly rounds: { readonly committed: number; readonly terminated: number };
  /** Cube root of PF, kW per hour; null until two slopes are metered. */
  readonly cbrtPf: { readonly with: number; readonly without: number; readonly reduction_percent: number } | null;
  /** Ordered, allocated and metered of the same orders, those that are settled; and metered without an order. */
  readonly energy_Wh: {
    readonly ordered: number;
    readonly allocated: number;
    readonly metered: number;
    readonly unordered: number;
  };
  /** With energy allocated whose meters have not all been stated. */
  readonly unsettledRounds: number;
  readonly contactOperations: number;
  readonly peak_W: number;
  /** Each thing that must never happen and did, in words. */
  readonly violations: readonly string[];
}

export interface Controller {
  readonly name: string;
  readonly directory: string;
  /** Not started and not stopped by the bench, which sees no more of it than its page. */
  readonly spare: boolean;
  /** Null while it does not run; always of a spare one. */
  process: ChildProcess | null;
  page: string | null;
  /** The last that its page said, and when (performance.now). */
  view: NeighbourhoodView | null;
  seenAt: number;
  /** How it ended the last time: signal or code. */
  ended: string;
}

export interface Bench {
  readonly world: World;
  readonly wires: Wires;
  readonly clock: Clock;
  readonly controllers: readonly Controller[];
  readonly neighbourhood: Neighbourhood;
  readonly directory: string;
  /** What a person types to let each spare charge point in. */
  readonly invitations: readonly Invitation[];
  /** All controllers in one view; undefined until the first has answered. */
  view(): NeighbourhoodView | undefined;
  onView(listener: (view: NeighbourhoodView) => void): void;
  /** Resolves when every controller has ended although nobody asked it to. */
  readonly gone: Promise<void>;
  /** Starts a controller that does not run (again). Resolves when it is up. */
  start(name: string): Promise<void>;
  kill(name: string, signal: NodeJS.Signals): Promise<void>;
  /** Stops everything, looks at what is left, and sums up. */
  stop(): Promise<Summary>;
}

/** Commands that let a spare charge point in, and the file that takes the line which the first of them prints. */
export interface Invitation {
  readonly name: string;
  readonly add: readonly string[];
  readonly configuration: string;
  readonly run: readonly string[];
}

/** When the bench's day begins: a winter afternoon, with the evening peak ahead. */
const DAY_BEGINS = unixMillis(Date.UTC(2026, 0, 14, 16, 0, 0));
const STEP_WALL_ms = 10;
const LOOK_WALL_ms = 400;
/** A page that has not answered for so long shows the past: two looks that ran into their time limit. */
const STALE_WALL_ms = 5_000;
/** For each process and core, so that all are up when the first round begins. */
const START_WALL_ms = 1_000;
const ROUND_s = 300;
const HOUSEHOLDS = 200;
const CAPACITY_W = 800_000;
const KINDS = ['fast-11', 'fast-7', 'rapid-50', 'slow-3', 'fast-22', 'fast-7', 'rapid-43', 'fast-11'] as const;
const program = fileURLToPath(new URL('../firmware/p2pebt.cjs', import.meta.url));

export async function startBench(options: BenchOptions): Promise<Bench> {
  const began = performance.now();
  const kept = options.directory !== undefined;
  const directory = resolve(options.directory ?? mkdtempSync(join(tmpdir(), 'p2pebt-bench-')));
  const members = options.nodes - 1;
  const chargePoints = Array.from({ length: members + (options.spares ?? 0) }, (_, i) => {
    const type = connectorTypes[KINDS[i % KINDS.length]];
    return { id: `cp-${i + 1}`, type };
  });

  const bench_ms = START_WALL_ms * (2 + options.nodes / 2) * options.scale;
  const benchTime = {
    startedAt: unixMillis(Date.now()),
    showing: unixMillis(Math.floor(DAY_BEGINS - bench_ms)),
    scale: options.scale,
  };
  const clock = scaledClock(benchTime);
  const cards: OwnerCard[] = [];
  const world = new World({
    seed: options.seed,
    start: clock.now(),
    chargePoints,
    households: HOUSEHOLDS,
    capacity_W: CAPACITY_W,
    grace_ms: Math.ceil(10_000 + 400 * options.scale),
    onEvent: (event) => {
      if (event.kind === 'plugged-in') cards.push(event.card);
    },
  });
  const register = new BoundaryTruth(world);
  /** Brings the world to the present, stopping at the end of a round to note its meters. */
  const catchUp = (): void => {
    const now = clock.now();
    const boundary = unixMillis(now - (now % (ROUND_s * 1000)));
    if (world.now <= boundary) {
      world.step(boundary);
      register.note(boundary);
    }
    world.step(now);
  };
  const wires = await serve(world, { seed: options.seed, catchUp, ...options.boards });
  const stepping = setInterval(() => {
    catchUp();
    wires.afterStep();
  }, STEP_WALL_ms);
  const embedded = options.broker === undefined ? await embeddedBroker() : null;
  const broker = options.broker ?? `mqtt://127.0.0.1:${embedded?.port}`;

  const types = new Map(chargePoints.map(({ id, type }) => [id, type]));
  const ids = [...types.keys()];
  const controllerOf = (name: string, page: string | null): Controller => ({
    name,
    directory: join(directory, name),
    spare: page !== null,
    process: null,
    page,
    view: null,
    seenAt: 0,
    ended: '',
  });
  const controllers = [
    ...[...ids.slice(0, members), 'head-meter'].map((name) => controllerOf(name, null)),
    ...(await Promise.all(
      ids.slice(members).map(async (name) => controllerOf(name, `http://127.0.0.1:${await freePort()}/`)),
    )),
  ];
  const nodes = controllers.map(({ name, directory }): RegisteredNode => {
    mkdirSync(directory);
    const { publicKey } = createKeyFile(join(directory, 'node.key'));
    const common = { name, publicKey: Buffer.from(publicKey).toString('hex') };
    const type = types.get(name);
    if (type === undefined) return { ...common, role: 'head-meter', safeShare_W: 0 };
    const { kind, charge_W, discharge_W, phases } = type;
    const connector = { kind, charge_W, discharge_W };
    // The least that a pilot signal can offer: 6 A on every phase of the connector.
    return { ...common, role: 'charge-point', connector, safeShare_W: Math.min(charge_W, 6 * 230 * phases) };
  });
  mkdirSync(join(directory, 'registrar'));
  const registrar = createKeyFile(join(directory, 'registrar', 'key.pem'));
  const neighbourhood: Neighbourhood = {
    microgrid: 'bench',
    roundTime_s: ROUND_s,
    capacity_W: CAPACITY_W,
    exportLimit_W: CAPACITY_W,
    margin_W: 20_000,
    maxWait_rounds: 2,
    lookAhead_rounds: 24,
    chargingEfficiency_ppm: 930_000,
    dischargingEfficiency_ppm: 930_000,
    loadProfile_W: standardLoad_W(HOUSEHOLDS, ROUND_s),
    nodes: [
      ...nodes.slice(0, options.nodes),
      {
        name: 'registrar',
        publicKey: Buffer.from(registrar.publicKey).toString('hex'),
        role: 'registrar',
        safeShare_W: 0,
      },
    ],
  };
  writeFileSync(join(directory, 'neighbourhood.json'), JSON.stringify(neighbourhood, null, 2));
  for (const controller of controllers)
    writeFileSync(
      configurationOf(controller),
      configuration(controller, types.get(controller.name), wires, broker, benchTime),
    );
  const invitations = controllers.flatMap((controller, i) =>
    controller.spare ? [invitation(controller, nodes[i], directory, controllers[0])] : [],
  );

  let stopping = false;
  /** Processes that the bench has told to end. */
  const asked = new Set<ChildProcess>();
  const gone = Promise.withResolvers<void>();
  const violations: string[] = [];
  const listeners: ((view: NeighbourhoodView) => void)[] = [];

  async function start(name: string): Promise<void> {
    const controller = find(controllers, name);
    const log = join(controller.directory, 'log');
    const output = openSync(log, 'a');
    const child = spawn(process.execPath, [program, 'run', '--config', configurationOf(controller)], {
      stdio: ['ignore', output, output, 'ipc'],
    });
    closeSync(output);
    controller.process = child;
    const up = Promise.withResolvers<void>();
    let ready = false;
    child.once('error', (error) => up.reject(new Error(`${name} cannot be started: ${error.message}`)));
    child.on('message', (message: Partial<Ready>) => {
      if (message.ready !== true) return;
      ready = true;
      controller.page = message.page ?? null;
      up.resolve();
    });
    child.once('exit', (code, signal) => {
      const how = signal ?? `code ${code}`;
      controller.process = null;
      controller.page = null;
      controller.ended = how;
      const words = lastWords(log, signal === null);
      const saying = words === '' ? '' : `: ${words}`;
      if (!ready && signal !== null) up.reject(new Error(`${name} was ended by ${signal} while it started${saying}`));
      else if (!ready) up.reject(new Error(`${name} did not start (${how})${saying}`));
      else if (
        asked.delete(child) ? signal !== 'SIGKILL' && code !== 0 && !(signal === 'SIGTERM' && hasStopped(log)) : true
      ) {
        violations.push(`${name} ended with ${how}${saying}`);
      }
      if (ready && !stopping && controllers.every(({ process }) => process === null)) gone.resolve();
    });
    await up.promise;
  }

  async function kill(name: string, signal: NodeJS.Signals): Promise<void> {
    const child = find(controllers, name).process;
    if (child === null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    asked.add(child);
    child.kill(signal);
    await ended;
  }

  async function look(): Promise<void> {
    await Promise.all(
      controllers.map(async (controller) => {
        if (controller.page === null) return;
        try {
          const answer = await fetch(new URL('api/view', controller.page), { signal: AbortSignal.timeout(2_000) });
          if (!answer.ok) return;
          controller.view = (await answer.json()) as NeighbourhoodView;
          controller.seenAt = performance.now();
        } catch {
          // it is being stopped, killed or is very busy: the last view stands for a while
        }
      }),
    );
    await speakForOwners();
    const gathered = view();
    if (gathered && !stopping) for (const listener of listeners) listener(gathered);
  }

  /** The bench plays the owners: what each would type into the page of the charge point. */
  async function speakForOwners(): Promise<void> {
    for (const card of cards.splice(0)) {
      const { page } = find(controllers, card.chargePoint);
      if (card.departure <= clock.now()) continue;
      const body = JSON.stringify({
        battery_Wh: card.battery_Wh,
        soc_ppm: world.vehicle(card.chargePoint)?.soc_ppm ?? card.soc_ppm,
        energyMissing_Wh: card.needed_Wh,
        departure_ms: card.departure,
        maySell: card.maySell,
        reserve_Wh: Math.max(card.target_Wh, Math.ceil((card.battery_Wh * card.reserve_ppm) / 1_000_000)),
      });
      const headers = { 'content-type': 'application/json' };
      const done = page && (await fetch(new URL('api/need', page), { method: 'PUT', body, headers }).catch(() => null));
      if (!done || done.status === 409) cards.push(card); // not up, or the plug was not seen yet: say it again
    }
  }

  const view = (): NeighbourhoodView | undefined => {
    const views = controllers.flatMap((controller) => {
      if (controller.view === null) return [];
      const why = absence(controller);
      if (why === null) return [controller.view];
      const observed = world.ids.includes(controller.name) ? world.contacts(controller.name) : [];
      return [
        { ...controller.view, nodes: controller.view.nodes.map((node) => withoutController(node, why, observed)) },
      ];
    });
    return views.length > 0 ? gather('Bench neighbourhood', views) : undefined;
  };

  let looking: NodeJS.Timeout | undefined;
  const lookAgain = async (): Promise<void> => {
    await look();
    if (!stopping) looking = setTimeout(() => void lookAgain(), LOOK_WALL_ms);
  };

  /** Ends every process, then looks at the contacts, then pulls the plugs. */
  async function end(): Promise<void> {
    stopping = true;
    clearTimeout(looking);
    const children = controllers.flatMap((controller) => (controller.process ? [controller] : []));
    await Promise.all(
      children.map(({ name, process: child }) => {
        const late = setTimeout(() => {
          violations.push(`${name} did not stop within 10 s`);
          child?.kill('SIGKILL');
        }, 10_000);
        return kill(name, 'SIGTERM').finally(() => clearTimeout(late));
      }),
    );
    world.step(clock.now());
    for (const id of ids.slice(0, members)) {
      if (world.contacts(id).includes('closed')) violations.push(`${id}: a contact is closed after the stop`);
    }
    clearInterval(stepping);
    await wires.close();
    await embedded?.close();
  }

  const tidy = (): void => {
    if (!kept) rmSync(directory, { recursive: true, force: true });
  };

  async function stop(): Promise<Summary> {
    await end();
    for (const [kind, times] of Object.entries(world.violations))
      if (times > 0) violations.push(`world: ${kind}, ${times === 1 ? 'once' : `${times} times`}`);
    const sum = summarise(controllers, register, violations);
    tidy();
    return {
      nodes: options.nodes,
      seed: options.seed,
      scale: options.scale,
      wall_s: Math.round((performance.now() - began) / 100) / 10,
      ...sum,
      contactOperations: world.ids.reduce((total, id) => total + world.operations(id).reduce((a, b) => a + b, 0), 0),
      peak_W: Math.round(world.peak_W),
      violations,
    };
  }

  try {
    await Promise.all(controllers.flatMap(({ name, spare }) => (spare ? [] : [start(name)])));
  } catch (error) {
    await end();
    tidy();
    throw error;
  }
  void lookAgain();
  return {
    world,
    wires,
    clock,
    controllers,
    neighbourhood,
    directory,
    invitations,
    view,
    onView: (listener) => void listeners.push(listener),
    gone: gone.promise,
    start,
    kill,
    stop,
  };
}

/** Why the last view of a controller is not the present one; null when it is. */
function absence({ spare, process, page, seenAt, ended }: Controller): string | null {
  if (process === null && !spare) return `controller ended (${ended})`;
  if (page === null) return 'controller is starting';
  return performance.now() - seenAt > STALE_WALL_ms ? 'its page does not answer' : null;
}

function find(controllers: readonly Controller[], name: string): Controller {
  const controller = controllers.find((other) => other.name === name);
  if (controller === undefined) throw new RangeError(`no controller ${name}`);
  return controller;
}

/**
 * True when the last thing that a controller logged is that it has stopped: a signal that comes twice, from the terminal and
 * from the bench, may meet its process on the way out, where nothing catches it any more.
 */
const hasStopped = (log: string): boolean => /"msg":"stopped"\}\s*$/.test(readFileSync(log, 'utf8'));

/**
 * What a controller said to a person (its log lines are JSON, and may come before or after), or its last log line where
 * it ended by itself: one that was killed had nothing to say about it.
 */
function lastWords(log: string, byItself: boolean): string {
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  const words = lines.filter((line) => line !== '' && !line.startsWith('{'));
  return (words.length > 0 || !byItself ? words : lines.slice(-1)).join('\n');
}

/**
 * The world's own meters at the end of each round, against which the statements in the ledgers are held: what a charge
 * point states for a round was read within the next one, so it lies between the world's registers at both its ends.
 */
class BoundaryTruth {
  readonly #world: World;
  readonly #ends = new Map<number, Map<string, { readonly imported_Wh: number; readonly exported_Wh: number }>>();

  constructor(world: World) {
    this.#world = world;
  }

  note(now: number): void {
    const round = Math.floor(now / (ROUND_s * 1000)) - 1; // the last one that is over
    if (this.#ends.has(round)) return;
    const registers = this.#world.ids.map((id) => {
      const { imported_Wh, exported_Wh } = this.#world.meter(id);
      return [id, { imported_Wh, exported_Wh }] as const;
    });
    this.#ends.set(round, new Map(registers));
  }

  contradictions({ state }: Chronicle): string[] {
    return (state?.registers ?? []).flatMap((stated, node) => {
      const { name } = everyone(state!)[node];
      const from = stated && this.#ends.get(stated.round)?.get(name);
      const to = stated && (this.#ends.get(stated.round + 1)?.get(name) ?? this.#world.meter(name));
      if (!stated || !from || !to) return [];
      const within = (value: number, low: number, high: number): boolean => value >= low - 1 && value <= high + 1;
      return within(stated.imported_Wh, from.imported_Wh, to.imported_Wh) &&
        within(stated.exported_Wh, from.exported_Wh, to.exported_Wh)
        ? []
        : [
            `${name} stated ${stated.imported_Wh} Wh for round ${stated.round}, its meter showed ${from.imported_Wh.toFixed(1)} to ${to.imported_Wh.toFixed(1)}`,
          ];
    });
  }
}

/** From the ledgers alone, each of them verified: what was agreed, and whether all agree. */
function summarise(
  controllers: readonly Controller[],
  register: BoundaryTruth,
  violations: string[],
): Pick<Summary, 'rounds' | 'cbrtPf' | 'energy_Wh' | 'unsettledRounds'> {
  const hashes = new Map<number, string>();
  let best: ReturnType<typeof report> | null = null;
  for (const { name, directory, spare, view } of controllers) {
    const file = join(directory, 'ledger.sqlite');
    if (spare && !existsSync(file)) continue; // nobody has run it
    const { registry, chain, past } = openForReport(file);
    const verified = replay(registry, chain, true, past);
    violations.push(...wrongs(verified).map((wrong) => `${name}: WRONG  ${wrong}`));
    for (const { height, hash } of chain.blocks) {
      const id = Buffer.from(hash).toString('hex');
      if ((hashes.get(height) ?? id) !== id) violations.push(`${name}: another final block at height ${height}`);
      hashes.set(height, id);
    }
    // Rounds without a block at the end are only known to the node that waited for them.
    const decided = view?.chain.blocks[0]?.round ?? -1;
    const { chronicle } = verified;
    const shown = report(registry, chronicle, decided);
    violations.push(...register.contradictions(chronicle).map((text) => `${name}: ${text}`));
    if (best === null || shown.height > best.height) best = shown;
  }
  const pfWith = best?.pfWith?.cbrt;
  const pfWithout = best?.pfWithout?.cbrt;
  return {
    rounds: { committed: best?.committed ?? 0, terminated: best?.terminated ?? 0 },
    cbrtPf:
      pfWith === undefined || pfWithout === undefined
        ? null
        : { with: pfWith, without: pfWithout, reduction_percent: pfWithout === 0 ? 0 : 100 * (1 - pfWith / pfWithout) },
    energy_Wh: {
      ordered: best?.ordered_Wh ?? 0,
      allocated: best?.allocated_Wh ?? 0,
      metered: best?.metered_Wh ?? 0,
      unordered: best?.unordered_Wh ?? 0,
    },
    unsettledRounds: best?.unsettled_rounds ?? 0,
  };
}

const configurationOf = ({ directory }: Controller): string => join(directory, 'config.yaml');

function invitation(spare: Controller, node: RegisteredNode, directory: string, member: Controller): Invitation {
  const { kind, charge_W, discharge_W } = node.connector!;
  const access = ['--config', configurationOf(member), '--key', join(directory, 'registrar', 'key.pem')];
  const rating = ['--kind', kind, '--charge-w', `${charge_W}`, '--discharge-w', `${discharge_W}`];
  const shares = ['--safe-share-w', `${node.safeShare_W}`];
  return {
    name: spare.name,
    add: ['member', 'add', spare.name, ...access, '--public-key', node.publicKey, ...rating, ...shares],
    configuration: configurationOf(spare),
    run: ['run', '--config', configurationOf(spare)],
  };
}

function configuration(
  { name, page }: Controller,
  type: (typeof connectorTypes)[keyof typeof connectorTypes] | undefined,
  wires: Wires,
  broker: string,
  time: { readonly startedAt: number; readonly showing: number; readonly scale: number },
): string {
  const own = wires.chargePoints.get(name);
  const [charge, discharge] = boardPins.map(({ output, auxiliary }) => ({ pin: output, auxiliaryPin: auxiliary }));
  const device = (port: number, unit: number): object => ({
    tcp: `127.0.0.1:${port}`,
    unit,
    timeout_ms: 500,
    period_ms: 1000,
  });
  const config = {
    node: name,
    key: 'node.key',
    neighbourhood: '../neighbourhood.json',
    ledger: 'ledger.sqlite',
    broker: { urls: [broker] },
    page: { host: '127.0.0.1', port: page === null ? 0 : Number(new URL(page).port) },
    clock: { bench: true, startedAt_ms: time.startedAt, showing_ms: time.showing, scale: time.scale },
    meter: { model: 'eastron-sdm630', ...device(own?.meter ?? wires.headMeter, meterUnit) },
    ...(own &&
      type && {
        connector: {
          model: 'phoenix-em-cp-pp-eth',
          ...device(own.connector, connectorUnit),
          phases: type.phases,
          maxCurrent_A: type.rating_A,
        },
        relays: { backend: 'firmata', tcp: `127.0.0.1:${own.relays}`, charge, discharge },
        owner: {
          energy_kWh: 10,
          departure: '07:00',
          timezone: 'UTC',
          reserve_kWh: 10,
          maySell: false,
          priceLimit_EUR_kWh: 0.35,
        },
      }),
    log: 'info',
  };
  const lines = Object.entries(config).map(([setting, value]) => `${setting}: ${JSON.stringify(value)}\n`);
  return `# Made by the bench for ${name}.\n${lines.join('')}`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function embeddedBroker(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const aedes = await Aedes.createBroker();
  const server: Server = createServer((socket) => {
    socket.setNoDelay(true);
    aedes.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        aedes.close(() => server.close(() => resolve()));
      }),
  };
}
