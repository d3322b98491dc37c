/** The configuration: what is right becomes numbers with units, and everything that is wrong is said at once, with its place. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { COMMAND } from '../../firmware/adapters/invocation.ts';
import { createKeyFile } from '../../firmware/adapters/key-file.ts';
import { openLedger } from '../../firmware/adapters/sqlite-ledger.ts';
import { openVoteCounter } from '../../firmware/adapters/vote-counter.ts';
import { summary } from '../../firmware/commands/check.ts';
import { brokerAccess, type Config, genesisHash, readConfig } from '../../firmware/config.ts';
import { readNeighbourhood } from '../../firmware/settings/neighbourhood.ts';

let folder: string;
const at = (name: string) => join(folder, name);
const NODES = ['cp-1', 'cp-2', 'cp-3', 'cp-4', 'head-meter'];

const NEIGHBOURHOOD = (keys: readonly string[]) => ({
  microgrid: 'street',
  roundTime_s: 300,
  capacity_W: 100_000,
  exportLimit_W: 50_000,
  margin_W: 5_000,
  maxWait_rounds: 2,
  lookAhead_rounds: 24,
  chargingEfficiency_ppm: 950_000,
  dischargingEfficiency_ppm: 950_000,
  nodes: NODES.map((name, index) => ({
    name,
    publicKey: keys[index]!,
    role: name === 'head-meter' ? 'head-meter' : 'charge-point',
    ...(name !== 'head-meter' && { connector: { kind: 'fast', charge_W: 11_000, discharge_W: 11_000 } }),
    safeShare_W: name === 'head-meter' ? 0 : 1_400,
  })),
});

const CONFIG = `node: cp-1
key: cp-1.pem
neighbourhood: neighbourhood.json
ledger: ledger.sqlite
broker:
  urls: [mqtt://127.0.0.1:1883]
meter:
  model: eastron-sdm630
  tcp: 127.0.0.1:502
connector:
  model: phoenix-em-cp-pp-eth
  tcp: "[::1]:503"
  phases: 3
  maxCurrent_A: 16
relays:
  backend: firmata
  serial: { path: /dev/ttyACM0 }
  charge: { pin: 4, auxiliaryPin: 6 }
  discharge: { pin: 5, auxiliaryPin: 7 }
owner:
  energy_kWh: 20.5
  departure: "07:00"
  timezone: Europe/Berlin
  priceLimit_EUR_kWh: 0.29
`;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'p2pebt-config-'));
  const keys = NODES.map((name) => Buffer.from(createKeyFile(at(`${name}.pem`)).publicKey).toString('hex'));
  writeFileSync(at('neighbourhood.json'), JSON.stringify(NEIGHBOURHOOD(keys), null, 2));
  writeFileSync(at('p2pebt.yaml'), CONFIG);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** All problems, without the folder's name. */
function problems(text = CONFIG): string[] {
  writeFileSync(at('p2pebt.yaml'), text);
  const result = readConfig(at('p2pebt.yaml'));
  return result.ok ? [] : result.problems.map((problem) => problem.text.replaceAll(`${folder}/`, ''));
}

/** Problems of the neighbourhood after one change. */
function neighbourhoodProblems(change: (neighbourhood: ReturnType<typeof NEIGHBOURHOOD>) => void): string[] {
  const neighbourhood = JSON.parse(readFileSync(at('neighbourhood.json'), 'utf8'));
  change(neighbourhood);
  writeFileSync(at('changed.json'), JSON.stringify(neighbourhood, null, 2));
  return readNeighbourhood(at('changed.json')).problems.map(({ text }) => text.replaceAll(`${folder}/`, ''));
}

function accepted(text = CONFIG): Config {
  writeFileSync(at('p2pebt.yaml'), text);
  const result = readConfig(at('p2pebt.yaml'));
  if (!result.ok) throw new Error(result.problems.map((problem) => problem.text).join('\n'));
  return result.config;
}

describe('a sound configuration', () => {
  test('becomes one frozen object with whole numbers in their units and absolute paths', () => {
    const config = accepted();
    expect(config).toMatchObject({
      role: 'charge-point',
      index: 0,
      ledger: at('ledger.sqlite'),
      keyFile: at('cp-1.pem'),
      page: { host: '127.0.0.1', port: 8080 },
      meter: { endpoint: { kind: 'tcp', host: '127.0.0.1', port: 502 }, unit: 1, timeout: 1000, period: 1000 },
      connector: { endpoint: { kind: 'tcp', host: '::1', port: 503 }, unit: 180, phases: 3, maxCurrent: 16_000 },
      relays: {
        endpoint: { kind: 'serial', path: '/dev/ttyACM0', baudRate: 57_600 },
        charge: { pin: 4, auxiliaryPin: 6 },
      },
      owner: {
        energy: 20_500,
        departure: { hour: 7, minute: 0 },
        reserve: 0,
        maySell: false,
        priceLimit_1e5EUR_kWh: 29_000,
      },
      log: 'info',
    });
    expect(config.clock).toBeUndefined();
    expect(config.self.name).toBe('cp-1');
    expect(
      Object.isFrozen(config) && Object.isFrozen(config.neighbourhood.nodes) && Object.isFrozen(config.meter),
    ).toBe(true);
  });

  test('of a head meter has a meter and nothing else', () => {
    const text = CONFIG.replaceAll('cp-1', 'head-meter');
    expect(problems(text)).toEqual([
      'p2pebt.yaml:10:1: connector: "head-meter" is a head meter and has only a meter; remove it',
      'p2pebt.yaml:15:1: relays: "head-meter" is a head meter and has only a meter; remove it',
      'p2pebt.yaml:20:1: owner: "head-meter" is a head meter and has only a meter; remove it',
    ]);
    const head = text.slice(0, text.indexOf('connector:'));
    expect(accepted(head).role).toBe('head-meter');
    const slow = head.replace('meter:\n', 'meter:\n  period_ms: 12001\n');
    expect(problems(slow)).toEqual([
      'p2pebt.yaml:8:3: meter.period_ms: 12001 ms is too slow for a head meter: a round of 300 s begins with a reading; ' +
        'write at most 12000',
    ]);
    expect(accepted(slow.replace('12001', '12000')).meter.period).toBe(12_000);
  });

  test('names a bench, a page that is off, a gateway, a broker with a password', () => {
    writeFileSync(at('password'), 'secret\n', { mode: 0o600 });
    const config = accepted(
      CONFIG.replace(
        'urls: [mqtt://127.0.0.1:1883]',
        'urls: [mqtt://a:1883, mqtt://b]\n  username: cp-1\n  passwordFile: password',
      ).replace('  tcp: 127.0.0.1:502', '  rtuGateway: gateway:502\n  unit: 7') +
        'page: off\nclock: { bench: true, startedAt_ms: 1, showing_ms: 2, scale: 60 }\n',
    );
    expect(config.page).toBe('off');
    expect(config.clock).toEqual({ startedAt: 1, showing: 2, scale: 60 });
    expect(config.meter.endpoint).toEqual({ kind: 'rtu-gateway', host: 'gateway', port: 502 });
    expect(brokerAccess(config.broker)).toEqual({
      urls: ['mqtt://a:1883', 'mqtt://b'],
      username: 'cp-1',
      password: 'secret',
    });
    expect(summary(config).join('\n')).toContain('BENCH ONLY: 60 times faster');
  });

  test('reads well in the summary', () => {
    expect(summary(accepted()).map((line) => line.replace(/key [0-9a-f]+/, 'key K').replaceAll(folder, ''))).toEqual([
      '  node          cp-1, charge-point 1 of 5, key K…',
      '  neighbourhood street: 4 charge points, 100 kW import, rounds of 300 s',
      '  broker        mqtt://127.0.0.1:1883',
      '  ledger        /ledger.sqlite',
      '  meter         eastron-sdm630 at 127.0.0.1:502, unit 1, every 1000 ms',
      '  connector     phoenix-em-cp-pp-eth at ::1:503, unit 180, 3 x 16 A',
      '                fast: charges with 11 kW, feeds back 11 kW, safe share 1.4 kW',
      '  relays        firmata at /dev/ttyACM0 (57600 baud), charge pin 4, auxiliary 6, discharge pin 5, auxiliary 7',
      '  owner         20.5 kWh by 07:00 Europe/Berlin, does not sell',
      '  page          http://127.0.0.1:8080',
      'Everything is consistent. Hardware and broker were not touched.',
    ]);
  });
});

describe('a neighbourhood of fewer charge points than can agree', () => {
  /** What `check` says when so many charge points are in the file and this one may draw so much. */
  function said(chargePoints: number, safeShare_W = 4_140): string[] {
    const neighbourhood = JSON.parse(readFileSync(at('neighbourhood.json'), 'utf8'));
    neighbourhood.nodes.splice(chargePoints, 4 - chargePoints);
    neighbourhood.nodes[0].safeShare_W = safeShare_W;
    writeFileSync(at('neighbourhood.json'), JSON.stringify(neighbourhood));
    return summary(accepted()).slice(10);
  }
  const toAgree =
    'To trade, list at least 4 charge points in the neighbourhood file, give it to every node, and name a new ledger in ' +
    'each configuration: the new file begins a chain of its own.';
  const consistent = 'Everything is consistent. Hardware and broker were not touched.';

  test.each([
    [1, '1 charge point'],
    [2, '2 charge points'],
    [3, '3 charge points'],
  ])('%i: is accepted, and check says what that means and what to do', (chargePoints, words) => {
    expect(said(chargePoints)).toEqual([
      `No agreement: this neighbourhood has ${words}, and agreeing takes 4. Nothing is traded; each charge point charges ` +
        'within its own safe share.',
      toAgree,
      consistent,
    ]);
  });

  test('a safe share that no vehicle can follow is told: without agreement there is never more', () => {
    expect(said(3, 4_139)[1]).toBe(
      'cp-1 WILL NEVER CHARGE: its safe share of 4.139 kW is below the 4.14 kW that a vehicle on 3 phases can follow; ' +
        'raise its safeShare_W.',
    );
  });

  test('four agree, and nothing is said, whatever the share', () => expect(said(4, 1_400)).toEqual([consistent]));
});

describe('a configuration with mistakes', () => {
  test('all of them at once, of every kind, each with its line, what is wrong and what to do', () => {
    chmodSync(at('cp-1.pem'), 0o644);
    const text = CONFIG.replace('tcp: 127.0.0.1:502', 'tpc: 127.0.0.1:502')
      .replace('maxCurrent_A: 16', 'maxCurrent_A: 5')
      .replace('auxiliaryPin: 7', 'auxiliaryPin: 4')
      .replace('Europe/Berlin', 'Berlin')
      .replace('mqtt://', 'http://');
    expect(problems(`${text}clock: { startedAt_ms: 1, showing_ms: 2, scale: 60 }\n`).sort()).toEqual(
      [
        'p2pebt.yaml:2:1: key: cp-1.pem: others than its owner may use it (mode 0644); run: chmod 600 cp-1.pem',
        'p2pebt.yaml:6:10: broker.urls[0]: "http://127.0.0.1:1883" is no address of a broker (credentials do not belong here); write a list of mqtt://HOST:PORT or mqtts://HOST:PORT',
        'p2pebt.yaml:7:1: meter: no wire to it; write one of tcp, rtuGateway (both HOST:PORT) or serial (path, baud, parity)',
        'p2pebt.yaml:9:3: meter.tpc: unknown setting; here belong model, tcp, rtuGateway, serial, unit, timeout_ms, period_ms',
        "p2pebt.yaml:14:3: connector.maxCurrent_A: 5 is too small, the least is 6; write A per phase: the connector's rating or the fuse, whichever is smaller",
        'p2pebt.yaml:14:3: connector.maxCurrent_A: 3 x 5 A carry at most 3600 W, but the neighbourhood rates "cp-1" at 11000 W; correct the smaller or the larger',
        'p2pebt.yaml:19:24: relays.discharge.auxiliaryPin: pin 4 already serves relays.charge.pin; every contact has pins of its own',
        'p2pebt.yaml:23:3: owner.timezone: "Berlin" is no known time zone; write a name of the IANA list, such as Europe/Berlin',
        'p2pebt.yaml:25:1: clock.bench: missing; write bench: true to say that no real vehicle is here, or remove clock',
      ].sort(),
    );
  });

  const single: [string, (text: string) => string, RegExp][] = [
    [
      'a missing setting',
      (text) => text.replace(/ledger:.*\n/, ''),
      /^p2pebt.yaml(:1:1)?: ledger: missing; write the path/,
    ],
    [
      'a port beyond 65535',
      (text) => text.replace(':502', ':70000'),
      /^p2pebt.yaml:9:3: meter.tcp: "127.0.0.1:70000" is not an address; write HOST/,
    ],
    [
      'credentials in an address',
      (text) => text.replace('mqtt://', 'mqtt://me:secret@'),
      /^p2pebt.yaml:6:10: broker.urls\[0\]: /,
    ],
    [
      'a number that is a text',
      (text) => text.replace('phases: 3', 'phases: three'),
      /connector.phases: "three" is not valid; write 1, 2 or 3/,
    ],
    [
      'a departure YAML takes for a number',
      (text) => text.replace('"07:00"', '7'),
      /owner.departure: 7 is not a text; write local time within quotes/,
    ],
    [
      'a page with a wrong port',
      (text) => `${text}page: { port: 99999 }\n`,
      /^p2pebt.yaml:25:9: page.port: 99999 is too large, the most is 65535/,
    ],
    [
      'a page that is neither',
      (text) => `${text}page: sometimes\n`,
      /^p2pebt.yaml:25:1: page: "sometimes" is not valid; write host and port, or off/,
    ],
    [
      'bench: false',
      (text) => `${text}clock: { bench: false, startedAt_ms: 1, showing_ms: 2, scale: 60 }\n`,
      /clock.bench: false is not one of true; write bench: true/,
    ],
    [
      'a setting twice',
      (text) => `${text}log: info\nlog: debug\n`,
      /^p2pebt.yaml:26:1: not YAML here: Map keys must be unique/,
    ],
    [
      'a node nobody knows',
      (text) => text.replace('node: cp-1', 'node: cp-9'),
      /node: "cp-9" is not in the neighbourhood, which has cp-1, cp-2/,
    ],
    [
      "another node's key",
      (text) => text.replace('key: cp-1', 'key: cp-2'),
      /^p2pebt.yaml:2:1: key: it is the key of "cp-2", not of "cp-1"/,
    ],
    ['no key file', (text) => text.replace('key: cp-1', 'key: none'), /^p2pebt.yaml:2:1: key: none.pem: no such file/],
    ['no neighbourhood file', (text) => text.replace('neighbourhood.json', 'none.json'), /^none.json: no such file/],
    [
      'no folder for the ledger',
      (text) => text.replace('ledger.sqlite', 'none/ledger.sqlite'),
      /^p2pebt.yaml:4:1: ledger: ENOENT/,
    ],
    [
      'a ledger that is none',
      (text) => text.replace('ledger.sqlite', 'cp-2.pem'),
      /^p2pebt.yaml:4:1: ledger: cp-2.pem: damaged/,
    ],
    [
      'no discharge contact',
      (text) => text.replace(/ {2}discharge:.*\n/, ''),
      /relays: no discharge contact, but the neighbourhood lets "cp-1" feed back/,
    ],
    [
      'a current the rating does not allow',
      (text) => text.replace('phases: 3', 'phases: 1'),
      /1 x 16 A carry at most 3840 W/,
    ],
    [
      'two wires to one meter',
      (text) => text.replace('502\n', '502\n  rtuGateway: a:1\n'),
      /meter: tcp and rtuGateway together; write one of/,
    ],
    [
      'a key registered nowhere',
      (text) => text.replace('key: cp-1', 'key: new'),
      /its public key [0-9a-f]{64} is not in the neighbourhood; have it registered/,
    ],
  ];
  test.each(single)('%s is one clear message', (_name, change, message) => {
    createKeyFile(at('new.pem'));
    const found = problems(change(CONFIG)).filter((text) => !/"cp-9", not|not of "cp-9"/.test(text));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });

  test('a lost key: the new one stands alone as nextKey, where there is a registrar to put it on the chain', () => {
    const alone = CONFIG.replace('key: cp-1.pem', 'nextKey: new.pem');
    const fresh = createKeyFile(at('new.pem')).publicKey;
    expect(problems(alone)).toEqual([
      expect.stringMatching(/nextKey: this neighbourhood has no registrar, so no key is replaced/),
    ]);
    expect(problems(CONFIG.replace('key: cp-1.pem\n', ''))).toEqual([expect.stringMatching(/key: missing; write/)]);

    const file = JSON.parse(readFileSync(at('neighbourhood.json'), 'utf8'));
    const publicKey = Buffer.from(createKeyFile(at('registrar.pem')).publicKey).toString('hex');
    file.nodes.push({ name: 'registrar', publicKey, role: 'registrar', safeShare_W: 0 });
    writeFileSync(at('neighbourhood.json'), JSON.stringify(file));
    expect(problems(alone)).toEqual([]);
    const result = readConfig(at('p2pebt.yaml'));
    expect(result.ok && result.config).toMatchObject({ index: 0, keyFile: at('new.pem'), publicKey: fresh });
    expect(result.ok && result.config.nextKeyFile).toBeFalsy();
  });

  test('a ledger of another node or of another neighbourhood', () => {
    const { publicKey, neighbourhood } = accepted();
    const genesis = genesisHash(neighbourhood);
    const votes = openVoteCounter(at('key.votes'));
    openLedger(at('ledger.sqlite'), { publicKey, genesisHash: genesis }, votes).close();
    expect(problems()).toEqual([]);
    openLedger(at('other.sqlite'), { publicKey: new Uint8Array(32), genesisHash: genesis }, votes).close();
    expect(problems(CONFIG.replace('ledger.sqlite', 'other.sqlite'))[0]).toMatch(
      /^p2pebt.yaml:4:1: ledger: .*another node/,
    );
    openLedger(at('elsewhere.sqlite'), { publicKey, genesisHash: new Uint8Array(32) }, votes).close();
    expect(problems(CONFIG.replace('ledger.sqlite', 'elsewhere.sqlite'))[0]).toMatch(
      /another neighbourhood or to other rules/,
    );
  });

  test('a file that is not there, not YAML, or not a map', () => {
    const missing = readConfig(at('none.yaml'));
    expect(missing.ok ? [] : missing.problems.map(({ text }) => text)).toEqual([
      `${at('none.yaml')}: no such file; check the path (${COMMAND} init makes one)`,
    ]);
    expect(problems('node: [')[0]).toMatch(/^p2pebt.yaml:1:\d+: not YAML here/);
    expect(problems('')[0]).toMatch(/^p2pebt.yaml:1:1: null is not a section/);
    expect(problems('- 1')[0]).toMatch(/is not a section/);
  });
});

describe('the neighbourhood', () => {
  type Change = Parameters<typeof neighbourhoodProblems>[0];
  const SMALL_ORDER = `01${'0'.repeat(62)}`;
  const mistakes: [string, Change, RegExp][] = [
    [
      'a round time that does not divide a day',
      (n) => {
        n.roundTime_s = 301;
      },
      /^changed.json:3:3: roundTime_s: 301 does not divide a day/,
    ],
    [
      'a name unfit for a topic',
      (n) => void Object.assign(n, { microgrid: 'my/street' }),
      /microgrid: "my\/street" cannot be a name/,
    ],
    [
      'a key with a digit too few',
      (n) => {
        n.nodes[1]!.publicKey = 'ab';
      },
      /nodes\[1\].publicKey: "ab" is not a public key; write the 64/,
    ],
    [
      'a key of small order',
      (n) => {
        n.nodes[1]!.publicKey = SMALL_ORDER;
      },
      /nodes\[1\].publicKey: .* of small order: anyone could sign for it/,
    ],
    [
      'a key twice',
      (n) => {
        n.nodes[2]!.publicKey = n.nodes[1]!.publicKey;
      },
      /nodes\[2\].publicKey: the same as nodes\[1\].publicKey/,
    ],
    [
      'a name twice',
      (n) => void Object.assign(n.nodes[2]!, { name: 'cp-2' }),
      /nodes\[2\].name: the same as nodes\[1\].name/,
    ],
    ['no charge point', (n) => void n.nodes.splice(0, 4), /nodes: 0 charge points; list at least one node/],
    ['no head meter', (n) => void n.nodes.pop(), /nodes: 0 head meters; list exactly one/],
    [
      'shares beyond the capacity',
      (n) => {
        n.capacity_W = 10_500;
      },
      /capacity_W: the safe shares \(5600 W\) exceed .* \(5500 W\)/,
    ],
    [
      'kW written for W',
      (n) =>
        void Object.assign(n.nodes[0]!, { connector: { kind: 'fast', charge_W: 11, discharge_W: 0 }, safeShare_W: 0 }),
      /charge_W: 11 is too small.*in W \(not kW\)/,
    ],
    [
      'a share beyond the rating',
      (n) => {
        n.nodes[0]!.safeShare_W = 12_000;
      },
      /safeShare_W: 12000 W is more than its connector/,
    ],
    [
      'a charge point without a connector',
      (n) => void delete n.nodes[0]!.connector,
      /nodes\[0\]: a charge point without a connector/,
    ],
    [
      'a profile of another length',
      (n) => void Object.assign(n, { loadProfile_W: [1_000] }),
      /loadProfile_W: 1 values; a day has 288 rounds/,
    ],
    [
      'a rule nobody knows',
      (n) => void Object.assign(n, { speed: 3 }),
      /speed: unknown setting; here belong microgrid, roundTime_s/,
    ],
  ];
  test.each(mistakes)('%s is refused', (_name, change, message) => {
    const found = neighbourhoodProblems(change);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });

  test('without a mistake it passes, and a peak of the households counts against the capacity', () => {
    expect(neighbourhoodProblems(() => {})).toEqual([]);
    const profile =
      (load_W: number): Change =>
      (n) =>
        void Object.assign(n, { loadProfile_W: Array(288).fill(load_W) });
    expect(neighbourhoodProblems(profile(89_400))).toEqual([]);
    expect(neighbourhoodProblems(profile(89_401))).toHaveLength(1);
  });
});
