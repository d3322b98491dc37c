/**
 * The controller: the only file that knows every part. Wires configuration, clock, ledger, bus, core, devices and
 * page together, and takes them down again in the order that leaves every contact open.
 */

import { connectorModels } from '../hal/connectors/models.ts';
import { JohnnyFiveRelays } from '../hal/drivers/johnny-five-relays.ts';
import { ModbusBus, type ModbusEndpoint } from '../hal/drivers/modbus-bus.ts';
import { ModbusConnector } from '../hal/drivers/modbus-connector.ts';
import { ModbusMeter } from '../hal/drivers/modbus-meter.ts';
import { meterModels } from '../hal/meters/models.ts';
import { type Millis, millis } from '../hal/units.ts';
import { createQuickVerify, createVerify } from './adapters/ed25519.ts';
import { createGate } from './adapters/gate.ts';
import { COMMAND } from './adapters/invocation.ts';
import { loadKeyFile } from './adapters/key-file.ts';
import { createLog } from './adapters/log.ts';
import { connectBus } from './adapters/mqtt-bus.ts';
import { scaledClock } from './adapters/scaled-clock.ts';
import { sha256 } from './adapters/sha256.ts';
import { LedgerError, openLedger } from './adapters/sqlite-ledger.ts';
import { systemClock } from './adapters/system-clock.ts';
import { counterFile, openVoteCounter } from './adapters/vote-counter.ts';
import { noAgreement, TO_AGREE } from './alone.ts';
import { type ChargePoint, type Devices, startChargePoint } from './charge-point.ts';
import { emptyChronicle, record, takeUp } from './chronicle.ts';
import { wire } from './commands/check.ts';
import { UsageError } from './commands/errors.ts';
import { brokerAccess, type ChargePointConfig, type Config } from './config.ts';
import { deviceNews } from './device-news.ts';
import { type HeadMeter, startHeadMeter } from './head-meter.ts';
import { NEIGHBOURHOOD_FACT } from './ledger-report.ts';
import type { OwnerReply, OwnerRequest } from './page/owner.ts';
import { PageError, type PageOptions, type PageServer, startPageServer } from './page/server.ts';
import type { AheadRow } from './page/view.ts';
import type { Clock } from './ports.ts';
import type { Plan } from './protocol/plan.ts';
import { makeRegistry } from './protocol/registry.ts';
import { canAgree } from './protocol/seats.ts';
import { wakeEachRound } from './round-waker.ts';
import { createRuntime, type Runtime } from './runtime.ts';
import { solve } from './solver/solve.ts';
import { aheadOf, VERSION, viewOf } from './viewer.ts';

/** The solver's time; past it the best plan found so far is taken. It shares the thread with the control of the contacts,
 * so it stays well under the shortest lease (500 ms of wall on a fast bench). */
const SOLVE_WALL_ms = 150;

/** How often the log looks whether a device has stopped answering. */
const DEVICES_WALL_ms = 1_000;

const NO_COUNTER =
  'what was signed with this key is not known, so it votes from the next round on, and on nothing before. ' +
  'If the key has never been used, stop, write 0 into that file and start again';
/** How often a flood that lasts is told in the log, for each name. */
const FLOOD_TOLD_EACH_ms = 3_600_000;

/** One bus per address: several units on one serial line share its queue. */
class Buses {
  readonly #buses = new Map<string, ModbusBus>();

  at(endpoint: ModbusEndpoint, timeout: Millis): ModbusBus {
    const key = JSON.stringify(endpoint);
    const bus = this.#buses.get(key) ?? new ModbusBus(endpoint, { timeout, longestPause: LONGEST_PAUSE });
    this.#buses.set(key, bus);
    return bus;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#buses.values()].map((bus) => bus.close()));
  }
}

/** A dead device is asked again at least this often (wall): its control is open by then, and it should come back soon. */
const LONGEST_PAUSE = millis(5_000);

function openDevices(config: ChargePointConfig, clock: Clock, buses: Buses): Devices {
  const { meter, connector, relays } = config;
  const pins = [relays.charge, ...(relays.discharge ? [relays.discharge] : [])];
  return {
    meter: new ModbusMeter({
      id: `meter at ${wire(meter.endpoint)}`,
      bus: buses.at(meter.endpoint, meter.timeout),
      unit: meter.unit,
      table: meterModels[meter.model],
      now: clock.now,
      rating: connector.maxCurrent,
    }),
    connector: new ModbusConnector({
      id: `connector at ${wire(connector.endpoint)}`,
      bus: buses.at(connector.endpoint, connector.timeout),
      unit: connector.unit,
      table: connectorModels[connector.model],
      now: clock.now,
    }),
    relays: new JohnnyFiveRelays({
      id: `relays at ${wire(relays.endpoint)}`,
      endpoint: relays.endpoint,
      contacts: pins.map(({ pin, auxiliaryPin }) => ({ output: pin, auxiliary: auxiliaryPin })),
      timeout: millis(1_000),
      longestPause: LONGEST_PAUSE,
    }),
  };
}

/** Runs until SIGINT, SIGTERM, or the end of the process that started it. Resolves when every contact is open. */
export async function runController(config: Config): Promise<void> {
  const log = createLog(config.self.name, config.log);
  const clock = config.clock ? scaledClock(config.clock) : systemClock;
  const registry = makeRegistry(config.neighbourhood, sha256);
  const agrees = canAgree(registry.n);
  if (!agrees) log.warn(`${noAgreement(registry.n)} ${TO_AGREE}`);
  const signer = loadKeyFile(config.keyFile);
  const counter = counterFile(config.keyFile);
  const votes = openVoteCounter(counter);
  if (votes.value === null) log.warn(`${counter} is missing: ${NO_COUNTER}`);
  const identity = { publicKey: config.publicKey, genesisHash: Buffer.from(registry.genesis, 'hex') };
  const ledger = openLedger(config.ledger, identity, votes);
  ledger.remember(NEIGHBOURHOOD_FACT, JSON.stringify(config.neighbourhood));

  const chronicle = emptyChronicle();
  const buses = new Buses();
  const round_ms = config.neighbourhood.roundTime_s * 1000;
  let ahead: AheadRow[] = [];
  let chargePoint: ChargePoint | null = null;
  let headMeter: HeadMeter | null = null;
  /** Committed while the node was still starting. */
  const early: Plan[] = [];
  let changed = (): void => undefined;
  const floodTold = new Map<string, number>();

  const bus = connectBus({
    ...brokerAccess(config.broker),
    microgrid: config.neighbourhood.microgrid,
    node: config.self.name,
    about: { version: VERSION, agrees },
    onProblem: (problem) => log.warn(problem),
  });
  const runtime = createRuntime(
    {
      registry,
      self: config.index,
      name: config.self.name,
      hash: sha256,
      clock,
      bus,
      ledger,
      signers: [signer, ...(config.nextKeyFile === undefined ? [] : [loadKeyFile(config.nextKeyFile)])],
      gate: createGate(registry, sha256, createVerify(), createQuickVerify()),
      solve(instance) {
        const until = performance.now() + SOLVE_WALL_ms;
        return solve(instance, 'plan', { deadline: () => performance.now() > until });
      },
    },
    {
      plan: (plan) => (chargePoint === null ? early.push(plan) : chargePoint.adopt(plan)),
      past: (past) => takeUp(chronicle, past),
      final(final, account) {
        const { block, before } = final;
        const { instance } = before;
        const [header] = block.body.carried;
        // At start every block of the ledger comes by: only a plan that still reaches beyond now is worth working out.
        const reaches = instance && (instance.round + instance.load_W.length) * round_ms > clock.now();
        if (block.body.kind === 'SCHEDULE' && reaches && header.body.type === 'HEADER') {
          ahead = aheadOf(instance, header.body.plan, round_ms);
        }
        record(chronicle, final, account);
        changed();
      },
      note({ code, round, text }) {
        const level =
          code === 'evidence' || code === 'refused-block' || code === 'abstains'
            ? 'warn'
            : code === 'round-begins'
              ? 'debug'
              : 'info';
        log[level]({ code, round }, text);
        changed();
      },
      refused(code, detail, name) {
        log.debug({ code, name }, detail);
        // A flood is worth a line, not a flood of lines.
        const now = clock.monotonic();
        if ((code !== 'flooded' && code !== 'muted') || now - (floodTold.get(name) ?? -Infinity) < FLOOD_TOLD_EACH_ms)
          return;
        floodTold.set(name, now);
        log.warn(
          { code, name },
          `somebody floods this node under the name ${name}: look at its client and the broker's ACL`,
        );
      },
    },
  );

  const view = () =>
    viewOf({
      config,
      clock,
      runtime,
      chronicle,
      ahead,
      brokerConnected: bus.connected,
      chargePoint: chargePoint?.status() ?? null,
      sitePower_W: headMeter?.power ?? null,
    });
  const owner = (request: OwnerRequest): OwnerReply =>
    chargePoint?.owner(request) ?? { done: false, message: 'The controller is starting; try again in a moment.' };
  let page: PageServer | null = null;
  try {
    page = await openPage(config, view, config.role === 'charge-point' ? owner : undefined);
    // On a node that has never traded, a broker that is not there is a mistake, and somebody is watching. One that has is in
    // service: after a power cut it may be up before its broker, and the car is charged within the safe share meanwhile.
    // Where nothing can be agreed nothing is said, and no broker is needed.
    if (agrees && ledger.blocksAbove(0, 1).length === 0) await bus.firstConnection;
    resume(runtime, config.ledger); // however long the replay takes, no device waits for it
  } catch (error) {
    runtime.stop();
    await Promise.all([page?.close(), bus.close()]);
    ledger.close();
    throw error;
  }

  if (config.role === 'charge-point') {
    chargePoint = startChargePoint({
      config,
      devices: openDevices(config, clock, buses),
      clock,
      ledger,
      runtime,
      brokerConnected: () => bus.connected,
      changed: () => changed(),
    });
    for (const plan of early) chargePoint.adopt(plan);
  } else {
    const { meter } = config;
    const device = new ModbusMeter({
      id: `head meter at ${wire(meter.endpoint)}`,
      bus: buses.at(meter.endpoint, meter.timeout),
      unit: meter.unit,
      table: meterModels[meter.model],
      now: clock.now,
    });
    headMeter = startHeadMeter(device, meter.period, clock, runtime);
  }
  const stopWaking = wakeEachRound(clock, config.neighbourhood.roundTime_s, runtime.wake);
  const news = deviceNews();
  const watching = setInterval(() => {
    const troubles = chargePoint?.status().troubles ?? [headMeter?.trouble ?? []].flat();
    for (const { level, text } of news(troubles)) log[level](text);
  }, DEVICES_WALL_ms);
  if (page !== null) {
    changed = () => page?.changed();
    log.info({ url: page.url }, `the page is at ${page.url}`);
  }
  const stop = stopRequested(); // whoever hears that it is ready may stop it at once
  if (process.connected) process.send?.({ ready: true, page: page?.url ?? null } satisfies Ready);

  await stop;
  log.info('stopping: opening the contacts');
  stopWaking();
  clearInterval(watching);
  runtime.stop();
  const opened = (await chargePoint?.stop()) ?? true;
  if (!opened) {
    log.error('a contact could not be seen open after the stop: the board opens it when its lease ends; look at it');
    process.exitCode = 1;
  }
  await headMeter?.stop();
  await Promise.all([page?.close(), bus.close(), buses.close()]);
  ledger.close();
  log.info('stopped');
  if (process.connected) process.disconnect?.(); // not when whoever started us has ended first
}

/** @throws LedgerError when what the ledger holds is no chain of this neighbourhood. */
function resume(runtime: Runtime, ledger: string): void {
  try {
    runtime.start();
  } catch (cause) {
    const hint = `look with: ${COMMAND} ledger verify ${ledger}; set aside (renamed), it is fetched again from the neighbours`;
    throw new LedgerError('corrupt', `${ledger}: cannot be resumed (${(cause as Error).message}); ${hint}`, { cause });
  }
}

/** What a controller tells the process that started it (a bench, a supervisor) when it is up. */
export interface Ready {
  readonly ready: true;
  readonly page: string | null;
}

async function openPage(
  config: Config,
  view: PageOptions['view'],
  owner: PageOptions['owner'],
): Promise<PageServer | null> {
  if (config.page === 'off') return null;
  try {
    return await startPageServer({ ...config.page, view, ...(owner && { owner }) });
  } catch (error) {
    if (!(error instanceof PageError)) throw error;
    throw new UsageError(`${config.file}: page.${error.setting}: ${error.message}`);
  }
}

/**
 * A signal, or the end of the parent on a bench: it holds the other end of the channel. Listens on: a signal often comes
 * twice (the terminal's to the whole group, and passed on by a parent), and the second must not cut the opening short.
 */
function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
    if (process.connected) process.once('disconnect', () => resolve());
    else if (process.send !== undefined) resolve(); // it ended while we were starting
  });
}
