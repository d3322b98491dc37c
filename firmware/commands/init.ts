/**
 * `p2pebt init`: what an installer needs at a new charge point or head meter: a key that only its owner can read, a
 * commented configuration, and a sample neighbourhood if there is none yet. It overwrites nothing.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { COMMAND, typed } from '../adapters/invocation.ts';
import { createKeyFile } from '../adapters/key-file.ts';
import { NAME, NAME_HINT } from '../settings/neighbourhood.ts';
import { UsageError } from './errors.ts';
import { makeFolder } from './folder.ts';

export interface InitOptions {
  /** Default: the machine's name. */
  readonly name?: string;
  readonly headMeter?: boolean;
}

const KEY = 'key.pem';
const CONFIGURATION = 'p2pebt.yaml';
const NEIGHBOURHOOD = 'neighbourhood.yaml';

/** Returns what to tell the person. @throws UsageError when something is already there. */
export function init(dir: string, { name = machineName(), headMeter = false }: InitOptions): string[] {
  if (!NAME.test(name)) throw new UsageError(`--name ${JSON.stringify(name)}: cannot be a name; ${NAME_HINT}`);
  const folder = resolve(dir);
  const at = (file: string) => join(folder, file);
  const there = [KEY, CONFIGURATION].filter((file) => existsSync(at(file)));
  if (there.length > 0)
    throw new UsageError(
      `${folder}: already holds ${there.join(' and ')}; nothing is overwritten. Name another folder, or move them away first`,
    );
  makeFolder(folder, 0o700);
  const publicKey = Buffer.from(createKeyFile(at(KEY)).publicKey).toString('hex');
  writeFileSync(at(CONFIGURATION), configuration(at(CONFIGURATION), name, headMeter), { flag: 'wx' });
  const isNew = !existsSync(at(NEIGHBOURHOOD));
  if (isNew) writeFileSync(at(NEIGHBOURHOOD), neighbourhood(name, publicKey, headMeter), { flag: 'wx' });
  return [
    `${at(KEY)}: the key of this node. It never leaves this machine.`,
    `${at(CONFIGURATION)}: the configuration, with a comment on each setting.`,
    `${at(NEIGHBOURHOOD)}: ${isNew ? 'a sample neighbourhood with this node in it.' : 'was there already and was left as it is.'}`,
    '',
    `The public key of ${name}, for whoever keeps the neighbourhood file:`,
    `  ${publicKey}`,
    '',
    'Next:',
    `  1. Send name and public key to that person; put the complete neighbourhood file at ${at(NEIGHBOURHOOD)}.`,
    `  2. Write the addresses of broker, meter${headMeter ? '' : ', connector and relay board'} into ${at(CONFIGURATION)}.`,
    `  3. ${COMMAND} check --config ${typed(at(CONFIGURATION))}`,
    `  4. ${COMMAND} run --config ${typed(at(CONFIGURATION))}`,
  ];
}

function machineName(): string {
  const name = hostname()
    .split('.')[0]!
    .replace(/[^A-Za-z0-9-]/g, '-')
    .replace(/^-+/, '')
    .slice(0, 32);
  return name || 'charge-point-1';
}

function configuration(file: string, name: string, headMeter: boolean): string {
  const common = `# Configuration of one p2pebt node. Check it with: ${COMMAND} check --config ${typed(file)}
# Paths are relative to this file. The unit of a number ends its name.

node: ${name}                      # as in the neighbourhood file
key: ${KEY}                       # made by p2pebt init; mode 0600
neighbourhood: ${NEIGHBOURHOOD}  # the same file at every node
ledger: ledger.sqlite              # begins at the first run; keep it, it guards against voting twice

broker:
  urls: [mqtt://192.168.1.10:1883] # several are tried in turn; mqtts:// for TLS
  # username: ${name}
  # passwordFile: broker-password  # mode 0600
  # tls: { ca: ca.pem }            # with cert and key if the broker asks for them

page:                              # this node's view for its owner, or: page: off
  host: 127.0.0.1                  # this machine only; 0.0.0.0 shows it to the whole network
  port: 8080

meter:
  model: eastron-sdm630
  tcp: 192.168.1.20:502            # or rtuGateway: HOST:PORT (RTU over TCP)
  # serial: { path: /dev/ttyUSB0, baud: 9600, parity: none }   # instead of tcp
  unit: 1                          # Modbus unit id set at the meter
  timeout_ms: 1000
  period_ms: 1000                  # how often it is read; a slower meter means a lower limit
`;
  const chargePoint = `
connector:                         # the IEC 61851 pilot controller
  model: phoenix-em-cp-pp-eth
  tcp: 192.168.1.21:502
  unit: 180
  phases: 3
  maxCurrent_A: 16                 # per phase: rating or fuse, whichever is smaller

relays:                            # a Firmata board; wire it so that low and unpowered mean open
  backend: firmata
  tcp: 192.168.1.22:3030           # or serial: { path: /dev/ttyACM0, baud: 57600 }
  charge: { pin: 4, auxiliaryPin: 6 }
  discharge: { pin: 5, auxiliaryPin: 7 } # leave it out where nothing feeds back

owner:                             # used until the owner says otherwise on the page
  energy_kWh: 20                   # what a vehicle usually needs
  departure: "07:00"               # local time, within quotes
  timezone: Europe/Berlin
  # battery_kWh: 60                # if it is always the same vehicle
  reserve_kWh: 10                  # never sold
  maySell: false
  priceLimit_EUR_kWh: 0.35         # the most to pay, the least to take
`;
  return `${common}${headMeter ? '' : chargePoint}
log: info                          # fatal, error, warn, info, debug, trace, silent
`;
}

function neighbourhood(name: string, publicKey: string, headMeter: boolean): string {
  const others = headMeter ? ['cp-1', 'cp-2', 'cp-3', 'cp-4'] : ['cp-2', 'cp-3', 'cp-4'];
  const key = (of: string) => (of === name ? publicKey : `(printed by p2pebt init at ${of})`);
  const chargePoint = (of: string) => `  - name: ${of}
    publicKey: ${key(of)}
    role: charge-point
    connector: { kind: fast, charge_W: 11000, discharge_W: 11000 } # slow, fast or rapid; AC ratings in W
    safeShare_W: 1400 # what it may draw without any agreement
`;
  const meter = headMeter ? name : 'head-meter';
  return `# A neighbourhood: who takes part, and by which numbers. THE SAME FILE AT EVERY NODE: its numbers are part of
# every signature, and nodes with other numbers do not understand each other. A sample; replace all of it.

microgrid: my-street        # letters, digits, hyphens; part of the MQTT topics
roundTime_s: 300            # one decision each; divides a day
capacity_W: 100000          # import limit at the head meter
exportLimit_W: 50000
margin_W: 5000              # how far the households may move from round to round; kept free under both limits
maxWait_rounds: 2           # an order is served after so many rounds at the latest
lookAhead_rounds: 24        # rounds that a schedule looks ahead; 1 looks at the next only
chargingEfficiency_ppm: 950000
dischargingEfficiency_ppm: 950000
# loadProfile_W: [ ... ]    # households' load per round of a UTC day, until the nodes have measured it

nodes:                      # four charge points or more (fewer only charge) and one head meter; the order counts
${(headMeter ? others : [name, ...others]).map(chargePoint).join('')}  - name: ${meter}
    publicKey: ${key(meter)}
    role: head-meter
    safeShare_W: 0
`;
}
