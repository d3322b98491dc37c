/**
 * The configuration of one node: one YAML file, read and checked once, all problems reported together. The program
 * refuses to start otherwise. Nothing here needs hardware or a network, so `p2pebt check` is this file and words.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { connectorModels } from '../hal/connectors/models.ts';
import type { ModbusEndpoint } from '../hal/drivers/modbus-bus.ts';
import { meterModels } from '../hal/meters/models.ts';
import { type Milliamps, type Millis, milliamps, millis, unixMillis, type WattHours, wattHours } from '../hal/units.ts';
import { COMMAND } from './adapters/invocation.ts';
import { loadKeyFile } from './adapters/key-file.ts';
import { LOG_LEVELS, type LogLevel } from './adapters/log.ts';
import type { BrokerAccess } from './adapters/mqtt-bus.ts';
import type { BenchTime } from './adapters/scaled-clock.ts';
import { readSecretFile, SecretFileError } from './adapters/secret-file.ts';
import { sha256 } from './adapters/sha256.ts';
import { LedgerError, readLedger } from './adapters/sqlite-ledger.ts';
import { UsageError } from './commands/errors.ts';
import { BEGINS_WITHIN } from './head-meter.ts';
import type { Signer } from './ports.ts';
import type { Neighbourhood, RegisteredNode } from './protocol/genesis.ts';
import { NODES_MOST } from './protocol/limits.ts';
import { makeRegistry } from './protocol/registry.ts';
import { deepFreeze, NAME, NAME_HINT, readNeighbourhood } from './settings/neighbourhood.ts';
import { checkShape, type Hints, openSource, type Path, type Problem, type Source } from './settings/source.ts';

/** A device on Modbus. */
export interface ModbusDevice<Model extends string> {
  readonly model: Model;
  readonly endpoint: ModbusEndpoint;
  readonly unit: number;
  readonly timeout: Millis;
  /** How often it promises a fresh answer, and so how often it is asked. */
  readonly period: Millis;
}

export type FirmataEndpoint =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'serial'; readonly path: string; readonly baudRate: number };

/** Pins of the Firmata board: the relay's output and the auxiliary contact's input. */
export interface ContactPins {
  readonly pin: number;
  readonly auxiliaryPin: number;
}

export interface OwnerDefaults {
  /** Wanted in the battery beyond what is there at plug-in, by the next departure in local time. */
  readonly energy: WattHours;
  readonly departure: { readonly hour: number; readonly minute: number };
  readonly timeZone: string;
  /** Usable capacity of the vehicle's battery, if it is always the same vehicle. */
  readonly battery?: WattHours;
  /** Never sold. */
  readonly reserve: WattHours;
  readonly maySell: boolean;
  /** σ, 10^-5 EUR/kWh: the most the owner pays and the least the owner takes. */
  readonly priceLimit_1e5EUR_kWh: number;
}

interface Common {
  readonly file: string;
  readonly neighbourhood: Neighbourhood;
  /** This node in it. */
  readonly index: number;
  readonly self: RegisteredNode;
  readonly keyFile: string;
  /** The key that replaces it, once the chain says so. */
  readonly nextKeyFile?: string;
  readonly publicKey: Uint8Array;
  readonly ledger: string;
  readonly broker: {
    readonly urls: readonly string[];
    readonly username?: string;
    readonly passwordFile?: string;
    /** Paths of PEM files. */
    readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  };
  readonly page: { readonly host: string; readonly port: number } | 'off';
  /** A bench's faster time; the system's where it is absent. */
  readonly clock?: BenchTime;
  readonly meter: ModbusDevice<keyof typeof meterModels>;
  readonly log: LogLevel;
}

export interface HeadMeterConfig extends Common {
  readonly role: 'head-meter';
}

export interface ChargePointConfig extends Common {
  readonly role: 'charge-point';
  readonly connector: ModbusDevice<keyof typeof connectorModels> & {
    readonly phases: 1 | 2 | 3;
    /** Per phase: the smaller of the connector's rating and the fuse of its circuit. */
    readonly maxCurrent: Milliamps;
  };
  readonly relays: {
    readonly backend: 'firmata';
    readonly endpoint: FirmataEndpoint;
    readonly charge: ContactPins;
    /** Absent where the connector cannot feed back. */
    readonly discharge?: ContactPins;
  };
  readonly owner: OwnerDefaults;
}

/** Frozen; every path in it is absolute. */
export type Config = ChargePointConfig | HeadMeterConfig;

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const WIRE_HINT = 'write one of tcp, rtuGateway (both HOST:PORT) or serial (path, baud, parity)';
const ADDRESS_HINT = 'write HOST:PORT, such as 192.168.1.20:502';
const DEVICE_HINTS = (at: string): Hints => ({
  [`${at}.tcp`]: ADDRESS_HINT,
  [`${at}.rtuGateway`]: ADDRESS_HINT,
  [`${at}.serial`]: 'write path, baud and parity',
  [`${at}.serial.path`]: 'write the serial port, such as /dev/ttyUSB0',
  [`${at}.serial.baud`]: 'write bits per second, such as 9600',
  [`${at}.serial.parity`]: 'write none, even or odd',
  [`${at}.serial.stopBits`]: 'write 1 or 2',
  [`${at}.unit`]: 'write the Modbus unit id set at the device, 1 to 247',
  [`${at}.timeout_ms`]: 'write the longest wait for an answer in ms, such as 1000',
  [`${at}.period_ms`]: 'write how often it is asked in ms, such as 1000',
});
const HINTS: Hints = {
  node: `${NAME_HINT}, as in the neighbourhood file`,
  key: 'write the path of the key file that p2pebt init made',
  neighbourhood: 'write the path of the neighbourhood file',
  ledger: 'write the path of the ledger, such as ledger.sqlite',
  broker: 'write urls, and if the broker asks for them username, passwordFile and tls',
  'broker.urls': 'write a list of mqtt://HOST:PORT or mqtts://HOST:PORT',
  'broker.username': 'write the user name that the broker knows, or leave it out',
  'broker.passwordFile': 'write the path of a file of mode 0600, or leave it out',
  'broker.tls': 'write ca, and cert with key if the broker asks for them',
  'broker.tls.ca': "write the path of the broker's CA certificate (PEM)",
  'broker.tls.cert': "write the path of this node's certificate (PEM)",
  'broker.tls.key': "write the path of this node's TLS key (PEM, mode 0600)",
  page: 'write host and port, or off',
  'page.host': 'write the address to listen on, such as 127.0.0.1',
  'page.port': 'write a port, such as 8080; 0 takes a free one',
  clock: 'leave it out on a device; on a bench write bench, startedAt_ms, showing_ms and scale',
  'clock.bench': 'write bench: true to say that no real vehicle is here, or remove clock',
  'clock.startedAt_ms': 'write the UTC time in ms at which the bench started',
  'clock.showing_ms': 'write the UTC time in ms that its clock showed then',
  'clock.scale': 'write how many times faster it runs, such as 60',
  meter: 'write model, tcp and unit',
  'meter.model': `write ${Object.keys(meterModels).join(' or ')}`,
  ...DEVICE_HINTS('meter'),
  connector: 'write model, tcp, unit, phases and maxCurrent_A',
  'connector.model': `write ${Object.keys(connectorModels).join(' or ')}`,
  ...DEVICE_HINTS('connector'),
  'connector.phases': 'write 1, 2 or 3',
  'connector.maxCurrent_A': "write A per phase: the connector's rating or the fuse, whichever is smaller",
  relays: 'write backend, tcp or serial, charge and discharge',
  'relays.backend': 'write firmata',
  'relays.tcp': 'write HOST:PORT, such as 192.168.1.30:3030',
  'relays.serial': 'write path and baud',
  'relays.serial.path': 'write the serial port, such as /dev/ttyACM0',
  'relays.serial.baud': 'write bits per second, such as 57600',
  'relays.charge': 'write pin and auxiliaryPin',
  'relays.charge.pin': 'write the number of the pin that drives the contactor',
  'relays.charge.auxiliaryPin': 'write the number of the pin that its auxiliary contact is wired to',
  'relays.discharge': 'write pin and auxiliaryPin',
  'relays.discharge.pin': 'write the number of the pin that drives the contactor',
  'relays.discharge.auxiliaryPin': 'write the number of the pin that its auxiliary contact is wired to',
  owner: 'write energy_kWh, departure and timezone',
  'owner.energy_kWh': 'write what a vehicle usually needs in kWh, such as 20',
  'owner.departure': 'write local time within quotes, such as "07:00"',
  'owner.timezone': 'write a name of the IANA list, such as Europe/Berlin',
  'owner.battery_kWh': "write the usable capacity of the vehicle's battery in kWh, or leave it out",
  'owner.reserve_kWh': 'write what is never sold, in kWh',
  'owner.maySell': 'write true or false',
  'owner.priceLimit_EUR_kWh': 'write the price limit in EUR/kWh with up to 5 decimals, such as 0.35',
  log: `write ${LOG_LEVELS.join(', ')}`,
};

const custom = <T>(schema: z.ZodType<T>, fits: (value: T) => boolean, flaw: string) =>
  schema.refine(fits, { error: ({ input }) => `${JSON.stringify(input)} is ${flaw}` });

const path = z.string().min(1);
const ADDRESS = /^(?:\[([0-9a-fA-F:]+)\]|([^:/\s@]+)):(\d{1,5})$/;
const address = custom(z.string(), (text) => inPorts(ADDRESS.exec(text)?.[3]), 'not an address').transform((text) => {
  const [, v6, host, port] = ADDRESS.exec(text)!;
  return { host: (v6 ?? host)!, port: Number(port) };
});
const serial = z.strictObject({
  path,
  baud: z.int().min(300).max(1_000_000),
  parity: z.enum(['none', 'even', 'odd']).default('none'),
  stopBits: z.union([z.literal(1), z.literal(2)]).default(1),
});
const device = <Model extends string>(models: Record<Model, unknown>, unit: number) => ({
  model: z.enum(Object.keys(models) as [Model, ...Model[]]),
  tcp: address.optional(),
  rtuGateway: address.optional(),
  serial: serial.optional(),
  unit: z.int().min(1).max(247).default(unit),
  timeout_ms: z.int().min(50).max(10_000).default(1_000),
  period_ms: z.int().min(100).max(60_000).default(1_000),
});
const pins = z.strictObject({ pin: z.int().min(0).max(127), auxiliaryPin: z.int().min(0).max(127) });
const energy_kWh = custom(
  z.number().min(0).max(1_000),
  (kWh) => Number.isInteger(roundTo(kWh * 1_000)),
  'finer than a watt-hour',
);

const rated_W = (least: number) => z.int().min(least).max(1_000_000);
const schema = z.strictObject({
  node: custom(z.string(), (text) => NAME.test(text), 'no possible name'),
  key: path.optional(),
  nextKey: path.optional(),
  neighbourhood: path,
  joins: z
    .strictObject({
      member: z
        .int()
        .min(1)
        .max(NODES_MOST - 1),
      kind: z.enum(['slow', 'fast', 'rapid']),
      charge_W: rated_W(1_000),
      discharge_W: rated_W(0),
      safeShare_W: rated_W(0),
    })
    .optional(),
  ledger: path,
  broker: z.strictObject({
    urls: z.array(custom(z.string(), isBrokerUrl, 'no address of a broker (credentials do not belong here)')).min(1),
    username: z.string().min(1).optional(),
    passwordFile: path.optional(),
    tls: z.strictObject({ ca: path.optional(), cert: path.optional(), key: path.optional() }).optional(),
  }),
  page: z
    .union([
      z.literal('off'),
      z.strictObject({
        host: z.string().min(1).default('127.0.0.1'),
        port: z.int().min(0).max(65_535).default(8_080),
      }),
    ])
    .prefault({}),
  clock: z
    .strictObject({
      bench: z.literal(true),
      startedAt_ms: z.int().min(0),
      showing_ms: z.int().min(0),
      scale: z.number().min(1).max(1_000),
    })
    .optional(),
  meter: z.strictObject(device(meterModels, 1)),
  connector: z
    .strictObject({
      ...device(connectorModels, connectorModels['phoenix-em-cp-pp-eth'].unit),
      phases: z.union([z.literal(1), z.literal(2), z.literal(3)]),
      maxCurrent_A: z.int().min(6).max(250),
    })
    .optional(),
  relays: z
    .strictObject({
      backend: z.enum(['firmata']),
      tcp: address.optional(),
      serial: z.strictObject({ path, baud: z.int().min(300).max(1_000_000).default(57_600) }).optional(),
      charge: pins,
      discharge: pins.optional(),
    })
    .optional(),
  owner: z
    .strictObject({
      energy_kWh,
      departure: custom(z.string(), (text) => /^([01]\d|2[0-3]):[0-5]\d$/.test(text), 'no time of day'),
      timezone: custom(z.string(), isTimeZone, 'no known time zone'),
      battery_kWh: energy_kWh.optional(),
      reserve_kWh: energy_kWh.default(0),
      maySell: z.boolean().default(false),
      priceLimit_EUR_kWh: custom(
        z.number().min(0).max(10),
        (price) => Number.isInteger(roundTo(price * 1e5)),
        'finer than 0.00001',
      ),
    })
    .optional(),
  log: z.enum(LOG_LEVELS).default('info'),
});
type Settings = z.output<typeof schema>;
type Raw = Record<string, Record<string, unknown> | undefined>;

/** Reads the configuration and everything it names. Never throws for what a person may have got wrong. */
export function readConfig(file: string): ConfigResult {
  const source = openSource(resolve(file));
  const settings = checkShape(source, schema, HINTS);
  const raw = (typeof source.value === 'object' && source.value !== null ? source.value : {}) as Raw;
  const at = (value: unknown) =>
    typeof value === 'string' && value ? resolve(dirname(source.file), value) : undefined;

  // Each of these looks at what is there, even when another setting is wrong, so that all problems come at once.
  const firstSigner = checkFile(source, ['key'], at(raw['key']), loadKeyFile);
  const neighbourhoodFile = at(raw['neighbourhood']);
  const read = neighbourhoodFile ? readNeighbourhood(neighbourhoodFile) : { problems: [] };
  const nextSigner = checkFile(source, ['nextKey'], at(raw['nextKey']), loadKeyFile);
  // Whoever has lost the old key has the new one alone, once the chain says that it is there.
  const isKeyLost = raw['key'] === undefined && raw['nextKey'] !== undefined;
  const signer = isKeyLost ? nextSigner : firstSigner;
  const joiner = settings?.joins && signer && joinerOf(settings.node, settings.joins, signer);
  const index = joiner ? settings.joins!.member : checkMembership(source, read.neighbourhood, raw['node'], firstSigner);
  const self = joiner ?? read.neighbourhood?.nodes[index];
  if (settings?.joins && read.neighbourhood) checkJoins(source, settings.joins.member, read.neighbourhood);
  if (self?.role === 'registrar')
    source.report(['node'], `"${self.name}" is the registrar, which runs nothing; use ${COMMAND} member`);
  checkKeys(source, raw, read.neighbourhood);
  checkBroker(source, raw['broker'] ?? {}, at);
  checkWires(source, raw);
  if (self) checkRole(source, raw, self, read.neighbourhood!.roundTime_s);
  checkLedger(source, at(raw['ledger']), signer, read.neighbourhood);

  const problems = [...source.problems, ...read.problems];
  if (problems.length > 0 || !settings || !read.neighbourhood || !self || !signer) return { ok: false, problems };
  return {
    ok: true,
    config: deepFreeze(assemble(source.file, settings, read.neighbourhood, index, self, signer)),
  };
}

/** The neighbourhood, the broker and the clock of any node's configuration. @throws UsageError with all that is wrong. */
export function readAccess(file: string): Pick<Config, 'neighbourhood' | 'broker' | 'clock'> {
  const source = openSource(resolve(file));
  const { neighbourhood, broker, clock } = schema.shape;
  const settings = checkShape(source, z.object({ neighbourhood, broker, clock }), HINTS);
  const at = (relative: string) => resolve(dirname(source.file), relative);
  const read = settings ? readNeighbourhood(at(settings.neighbourhood)) : { problems: [] };
  const problems = [...source.problems, ...read.problems];
  if (!settings || !read.neighbourhood || problems.length > 0)
    throw new UsageError(problems.map(({ text }) => text).join('\n'));
  return deepFreeze({
    neighbourhood: read.neighbourhood,
    broker: accessOf(settings.broker, at),
    ...(settings.clock && { clock: benchTime(settings.clock) }),
  });
}

/** What connectBus needs: the texts behind the paths. @throws SecretFileError or a file system error. */
export function brokerAccess({ urls, username, passwordFile, tls }: Config['broker']): BrokerAccess {
  return {
    urls,
    ...(username !== undefined && { username }),
    ...(passwordFile !== undefined && { password: readSecretFile(passwordFile).replace(/\r?\n$/, '') }),
    ...(tls && {
      tls: {
        ...(tls.ca !== undefined && { ca: readFileSync(tls.ca, 'utf8') }),
        ...(tls.cert !== undefined && { cert: readFileSync(tls.cert, 'utf8') }),
        ...(tls.key !== undefined && { key: readSecretFile(tls.key) }),
      },
    }),
  };
}

/** The hash that marks every message of this neighbourhood, and its ledgers. */
export const genesisHash = (neighbourhood: Neighbourhood): Uint8Array =>
  Buffer.from(makeRegistry(neighbourhood, sha256).genesis, 'hex');

function checkFile<T>(
  source: Source,
  setting: Path,
  file: string | undefined,
  load: (file: string) => T,
): T | undefined {
  if (file === undefined) return undefined;
  try {
    return load(file);
  } catch (error) {
    if (!(error instanceof SecretFileError) && !(error instanceof LedgerError) && !('syscall' in (error as Error)))
      throw error;
    source.report(setting, (error as Error).message);
    return undefined;
  }
}

/** This node's index in the neighbourhood, by its name and its key, which must agree; -1 when it has none. */
function checkMembership(
  source: Source,
  neighbourhood: Neighbourhood | undefined,
  name: unknown,
  signer: Signer | undefined,
): number {
  if (!neighbourhood || typeof name !== 'string') return -1;
  const { nodes } = neighbourhood;
  const index = nodes.findIndex((node) => node.name === name);
  if (index < 0)
    source.report(
      ['node'],
      `"${name}" is not in the neighbourhood, which has ${nodes.map((node) => node.name).join(', ')}`,
    );
  if (!signer) return index;
  const key = Buffer.from(signer.publicKey).toString('hex');
  const owner = nodes.find((node) => node.publicKey === key);
  if (!owner)
    source.report(['key'], `its public key ${key} is not in the neighbourhood; have it registered for "${name}"`);
  else if (owner.name !== name)
    source.report(['key'], `it is the key of "${owner.name}", not of "${name}"; check node and key`);
  return index;
}

/** The key of the file, or one that has taken its place on the chain, or both while it does. */
function checkKeys(source: Source, raw: Raw, neighbourhood: Neighbourhood | undefined): void {
  const isMap = typeof source.value === 'object' && source.value !== null; // what is not is told already
  if (isMap && raw['key'] === undefined && raw['nextKey'] === undefined)
    source.report(['key'], `missing; ${HINTS['key']}`);
  if (raw['nextKey'] !== undefined && neighbourhood && !neighbourhood.nodes.some(({ role }) => role === 'registrar'))
    source.report(['nextKey'], 'this neighbourhood has no registrar, so no key is replaced; remove it');
}

/** A charge point that is not in the file but was let in on the chain (`p2pebt member add`). */
const joinerOf = (name: string, joins: NonNullable<Settings['joins']>, signer: Signer): RegisteredNode => ({
  name,
  publicKey: Buffer.from(signer.publicKey).toString('hex'),
  role: 'charge-point',
  connector: { kind: joins.kind, charge_W: joins.charge_W, discharge_W: joins.discharge_W },
  safeShare_W: joins.safeShare_W,
});

function checkJoins(source: Source, member: number, { nodes }: Neighbourhood): void {
  if (!nodes.some(({ role }) => role === 'registrar'))
    source.report(['joins'], 'this neighbourhood has no registrar, so nobody joins it; remove it');
  if (member < nodes.length)
    source.report(
      ['joins', 'member'],
      `${member} is the number of "${nodes[member].name}"; write the one that member add printed`,
    );
}

function checkBroker(source: Source, raw: Record<string, unknown>, at: (value: unknown) => string | undefined): void {
  checkFile(source, ['broker', 'passwordFile'], at(raw['passwordFile']), readSecretFile);
  if (raw['passwordFile'] !== undefined && raw['username'] === undefined)
    source.report(['broker', 'passwordFile'], 'a password without a username; write both or neither');
  const tls = raw['tls'] as Record<string, unknown> | undefined;
  if (typeof tls !== 'object' || tls === null) return;
  for (const part of ['ca', 'cert'] as const)
    checkFile(source, ['broker', 'tls', part], at(tls[part]), (file) => accessSync(file, constants.R_OK));
  checkFile(source, ['broker', 'tls', 'key'], at(tls['key']), readSecretFile);
  if ((tls['cert'] === undefined) !== (tls['key'] === undefined))
    source.report(['broker', 'tls'], 'cert and key belong together; write both or neither');
  const urls = Array.isArray(raw['urls']) ? raw['urls'] : [];
  if (!urls.some((url) => String(url).startsWith('mqtts:')))
    source.report(['broker', 'tls'], 'serves mqtts:// only, and no url is one; change the url or remove tls');
}

/** One wire to each device, and each pin for one thing. */
function checkWires(source: Source, raw: Raw): void {
  for (const [name, wires] of [
    ['meter', ['tcp', 'rtuGateway', 'serial']],
    ['connector', ['tcp', 'rtuGateway', 'serial']],
    ['relays', ['tcp', 'serial']],
  ] as const) {
    const section = raw[name];
    if (typeof section !== 'object' || section === null) continue;
    const used = wires.filter((wire) => section[wire] !== undefined);
    if (used.length !== 1)
      source.report(
        [name],
        `${used.length === 0 ? 'no wire to it' : `${used.join(' and ')} together`}; ${name === 'relays' ? 'write one of tcp or serial' : WIRE_HINT}`,
      );
  }
  const taken = new Map<unknown, string>();
  for (const contact of ['charge', 'discharge'])
    for (const pin of ['pin', 'auxiliaryPin']) {
      const value = (raw['relays']?.[contact] as Record<string, unknown> | undefined)?.[pin];
      if (!Number.isInteger(value)) continue;
      const before = taken.get(value);
      if (before)
        source.report(
          ['relays', contact, pin],
          `pin ${value} already serves ${before}; every contact has pins of its own`,
        );
      else taken.set(value, `relays.${contact}.${pin}`);
    }
}

/** What the neighbourhood says of this node must be what stands here. */
function checkRole(source: Source, raw: Raw, self: RegisteredNode, roundTime_s: number): void {
  if (self.role === 'head-meter') {
    for (const name of ['connector', 'relays', 'owner'])
      if (raw[name] !== undefined)
        source.report([name], `"${self.name}" is a head meter and has only a meter; remove it`);
    const slowest_ms = Math.floor(BEGINS_WITHIN * roundTime_s * 800); // and a fifth to spare, for an answer that is late
    const period_ms = raw['meter']?.['period_ms'];
    if (typeof period_ms === 'number' && period_ms > slowest_ms)
      source.report(
        ['meter', 'period_ms'],
        `${period_ms} ms is too slow for a head meter: a round of ${roundTime_s} s begins with a reading; write at most ${slowest_ms}`,
      );
    return;
  }
  for (const name of ['connector', 'relays', 'owner'])
    if (raw[name] === undefined) source.report([name], `missing for the charge point "${self.name}"; ${HINTS[name]}`);
  const rated = self.connector!;
  if (rated.discharge_W > 0 && raw['relays'] && raw['relays']['discharge'] === undefined)
    source.report(
      ['relays'],
      `no discharge contact, but the neighbourhood lets "${self.name}" feed back ${rated.discharge_W} W`,
    );
  const { phases, maxCurrent_A } = raw['connector'] ?? {};
  if (typeof phases !== 'number' || typeof maxCurrent_A !== 'number') return;
  const most_W = phases * maxCurrent_A * HIGHEST_NOMINAL_V;
  if (Math.max(rated.charge_W, rated.discharge_W) > most_W)
    source.report(
      ['connector', 'maxCurrent_A'],
      `${phases} x ${maxCurrent_A} A carry at most ${most_W} W, but the neighbourhood rates "${self.name}" at ` +
        `${Math.max(rated.charge_W, rated.discharge_W)} W; correct the smaller or the larger`,
    );
}

/** Ratings are named at 230 or 240 V ("7.4 kW" is 32 A at 230 V, rounded up). */
const HIGHEST_NOMINAL_V = 240;

function checkLedger(source: Source, file: string | undefined, signer?: Signer, neighbourhood?: Neighbourhood): void {
  checkFile(source, ['ledger'], file, (ledger) => {
    if (!existsSync(ledger)) return accessSync(dirname(ledger), constants.W_OK);
    accessSync(ledger, constants.W_OK);
    const reader = readLedger(ledger);
    reader.close();
    if (signer && !Buffer.from(reader.publicKey).equals(signer.publicKey))
      throw new LedgerError('other-node', `${ledger}: the ledger of another node; check the paths of ledger and key`);
    if (neighbourhood && !Buffer.from(reader.genesisHash).equals(genesisHash(neighbourhood)))
      throw new LedgerError(
        'other-neighbourhood',
        `${ledger}: belongs to another neighbourhood or to other rules; check the neighbourhood file, or name a new ledger`,
      );
  });
}

function assemble(
  file: string,
  settings: Settings,
  neighbourhood: Neighbourhood,
  index: number,
  self: RegisteredNode,
  signer: Signer,
): Config {
  const at = (relative: string) => resolve(dirname(file), relative);
  const { broker, clock, meter, connector, relays, owner } = settings;
  const common: Common = {
    file,
    neighbourhood,
    index,
    self,
    keyFile: at((settings.key ?? settings.nextKey)!),
    ...(settings.key && settings.nextKey && { nextKeyFile: at(settings.nextKey) }),
    publicKey: signer.publicKey,
    ledger: at(settings.ledger),
    broker: accessOf(broker, at),
    page: settings.page,
    ...(clock && { clock: benchTime(clock) }),
    meter: modbusDevice(meter),
    log: settings.log,
  };
  if (self.role === 'head-meter') return { ...common, role: 'head-meter' };
  const [hour, minute] = owner!.departure.split(':').map(Number) as [number, number];
  return {
    ...common,
    role: 'charge-point',
    connector: {
      ...modbusDevice(connector!),
      phases: connector!.phases,
      maxCurrent: milliamps(1_000 * connector!.maxCurrent_A),
    },
    relays: {
      backend: relays!.backend,
      endpoint: relays!.tcp
        ? { kind: 'tcp', ...relays!.tcp }
        : { kind: 'serial', path: relays!.serial!.path, baudRate: relays!.serial!.baud },
      charge: relays!.charge,
      ...(relays!.discharge && { discharge: relays!.discharge }),
    },
    owner: {
      energy: wattHours(roundTo(owner!.energy_kWh * 1_000)),
      departure: { hour, minute },
      timeZone: owner!.timezone,
      ...(owner!.battery_kWh !== undefined && { battery: wattHours(roundTo(owner!.battery_kWh * 1_000)) }),
      reserve: wattHours(roundTo(owner!.reserve_kWh * 1_000)),
      maySell: owner!.maySell,
      priceLimit_1e5EUR_kWh: roundTo(owner!.priceLimit_EUR_kWh * 1e5),
    },
  };
}

function accessOf(broker: Settings['broker'], at: (relative: string) => string): Common['broker'] {
  const { urls, username, passwordFile, tls } = broker;
  return {
    urls,
    ...(username !== undefined && { username }),
    ...(passwordFile !== undefined && { passwordFile: at(passwordFile) }),
    ...(tls && { tls: Object.fromEntries(Object.entries(tls).map(([part, value]) => [part, at(value)])) }),
  };
}

const benchTime = (clock: NonNullable<Settings['clock']>): BenchTime => ({
  startedAt: unixMillis(clock.startedAt_ms),
  showing: unixMillis(clock.showing_ms),
  scale: clock.scale,
});

function modbusDevice<Model extends string>(
  settings: Pick<Settings['meter'], 'tcp' | 'rtuGateway' | 'serial' | 'unit' | 'timeout_ms' | 'period_ms'> & {
    model: Model;
  },
): ModbusDevice<Model> {
  const { model, tcp, rtuGateway, serial, unit } = settings;
  const endpoint: ModbusEndpoint = tcp
    ? { kind: 'tcp', ...tcp }
    : rtuGateway
      ? { kind: 'rtu-gateway', ...rtuGateway }
      : { kind: 'rtu', path: serial!.path, baudRate: serial!.baud, parity: serial!.parity, stopBits: serial!.stopBits };
  return { model, endpoint, unit, timeout: millis(settings.timeout_ms), period: millis(settings.period_ms) };
}

/** 0.35 * 1e5 is 35000 but 0.29 * 1e5 is 28999.999999999996: rounds away what only binary fractions cause. */
function roundTo(value: number): number {
  const whole = Math.round(value);
  return Math.abs(value - whole) < 1e-6 ? whole : value;
}

function inPorts(text: string | undefined): boolean {
  const port = Number(text);
  return port >= 1 && port <= 65_535;
}

function isBrokerUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  return (protocol === 'mqtt:' || protocol === 'mqtts:') && hostname !== '' && username === '' && password === '';
}

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
