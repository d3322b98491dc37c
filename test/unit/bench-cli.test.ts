/**
 * What a person can get wrong when starting the bench or a controller: one clear message (what, where, what to do),
 * an exit code that is not 0, nothing left running, nothing lost.
 */
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKeyFile } from '../../firmware/adapters/key-file.ts';
import { openLedger, readLedger } from '../../firmware/adapters/sqlite-ledger.ts';
import { openVoteCounter } from '../../firmware/adapters/vote-counter.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
let taken: Server;
let port: number;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'p2pebt-bad-'));
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  port = (taken.address() as { port: number }).port;
});
afterAll(() => {
  taken.close();
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly code: number;
  readonly said: string;
}

/** Runs a program of this repository to its end: its exit code and everything it said, without the machine's paths. */
function run(program: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, program), ...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, said: `${stdout}${stderr}`.replaceAll(folder, '') });
    });
  });
}
const bench = (...flags: string[]) => run('sim-hardware/main.ts', ...flags);
const controller = (config: string) => run('firmware/p2pebt.cjs', 'run', '--config', config);

describe('the bench', () => {
  test.each([
    [['--fast'], "unknown option '--fast'"],
    [['extra'], 'too many arguments'],
    [['--nodes', '4'], 'write a whole number, 5 to 41.'],
    [['--nodes', '5.5'], 'write a whole number, 5 to 41.'],
    [['--rounds', '0'], 'write a whole number, 1 to 100000.'],
    [['--seed', '-1'], 'write a whole number, 0 to 2147483648.'],
    [['--scale', 'quick'], 'write a number, 1 (real time) to 100.'],
    [['--port', '65536'], 'write a whole number, 0 to 65535.'],
    [['--broker', 'localhost:1883'], 'write mqtt://HOST:PORT.'],
  ])('%j is one clear message', async (flags, message) => {
    const { code, said } = await bench(...flags);
    expect(said).toContain(message);
    expect(said).toContain('(npm start -- --help)');
    expect(said).not.toMatch(/\n\s+at /); // no stack trace
    expect(code).toBe(2);
  });

  test('a port that is taken is named, with the way out', async () => {
    const { code, said } = await bench('--port', String(port));
    expect(said).toBe(`p2pebt bench: --port ${port} is taken by another program: stop it or choose another port\n`);
    expect(code).toBe(2);
  });

  test('a broker that is not there: it says so before anything is started', async () => {
    const { code, said } = await bench('--port', '0', '--broker', 'mqtt://127.0.0.1:1');
    expect(said).toBe(
      'p2pebt bench: --broker mqtt://127.0.0.1:1: no broker there (connect ECONNREFUSED 127.0.0.1:1): is it running?\n',
    );
    expect(code).toBe(2);
  });

  test('something that is no broker: it says so, ends everything and leaves nothing behind', async () => {
    const mute = createServer((socket) => socket.on('error', () => undefined).end('hello'));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const url = `mqtt://127.0.0.1:${(mute.address() as { port: number }).port}`;
    const { code, said } = await bench('--port', '0', '--quiet', '--broker', url);
    mute.close();
    expect(said).toMatch(/^p2pebt bench: \S+ did not start \(code 2\): the broker at mqtt:/);
    expect(said).toContain(url);
    expect(said.trimEnd().split('\n')).toHaveLength(1);
    expect(code).toBe(1);
  });

  test.each([
    ['/dev/null/x', '/dev/null/x: cannot be made (/dev/null is not a folder); name another folder'],
    ['/proc/x', "/proc/x: cannot be made (ENOENT: no such file or directory, mkdir '/proc/x'); name another folder"],
  ])('a folder that cannot be made, %s, is one clear message at once', async (dir, message) => {
    const { code, said } = await bench('--port', '0', '--dir', dir);
    expect([code, said]).toEqual([2, `p2pebt bench: ${message}\n`]);
  });

  test('a folder that holds another bench is left as it is', async () => {
    const dir = join(folder, 'kept');
    mkdirSync(join(dir, 'cp-1'), { recursive: true });
    createKeyFile(join(dir, 'cp-1', 'node.key'));
    const before = readFileSync(join(dir, 'cp-1', 'node.key'), 'utf8');
    const { code, said } = await bench('--port', '0', '--quiet', '--dir', dir);
    expect(said).toBe('p2pebt bench: --dir /kept: holds something already; choose a new folder\n');
    expect(code).toBe(2);
    expect(readFileSync(join(dir, 'cp-1', 'node.key'), 'utf8')).toBe(before);
    expect(existsSync(join(dir, 'neighbourhood.json'))).toBe(false);
  });
});

describe('a controller', () => {
  /** A node ready to run, but for what `change` does to its configuration; no device of it exists. */
  function node(name: string, change: (config: Record<string, unknown>) => void = () => undefined): string {
    const dir = join(folder, name);
    mkdirSync(dir);
    const names = ['cp-1', 'cp-2', 'cp-3', 'cp-4', 'head'];
    const nodes = names.map((each, i) => ({
      name: each,
      publicKey: Buffer.from(createKeyFile(join(dir, `${each}.key`)).publicKey).toString('hex'),
      role: each === 'head' ? 'head-meter' : 'charge-point',
      ...(each !== 'head' && { connector: { kind: 'fast', charge_W: 11_040, discharge_W: 11_040 } }),
      safeShare_W: each === 'head' ? 0 : 4_140 + i,
    }));
    const neighbourhood = {
      microgrid: 'test',
      roundTime_s: 300,
      capacity_W: 100_000,
      exportLimit_W: 100_000,
      margin_W: 1_000,
      maxWait_rounds: 2,
      lookAhead_rounds: 24,
      chargingEfficiency_ppm: 930_000,
      dischargingEfficiency_ppm: 930_000,
      nodes,
    };
    writeFileSync(join(dir, 'neighbourhood.json'), JSON.stringify(neighbourhood));
    const config = {
      node: 'head',
      key: 'head.key',
      neighbourhood: 'neighbourhood.json',
      ledger: 'ledger.sqlite',
      broker: { urls: ['mqtt://127.0.0.1:1'] },
      page: 'off',
      meter: { model: 'eastron-sdm630', tcp: '127.0.0.1:1', unit: 1, timeout_ms: 500, period_ms: 1000 },
      log: 'warn',
    };
    change(config);
    const file = join(dir, 'config.json');
    writeFileSync(file, JSON.stringify(config));
    return file;
  }

  test('whose broker is not there says so and touches no device', async () => {
    const { code, said } = await controller(node('no-broker'));
    expect(said).toContain('\nno broker at mqtt://127.0.0.1:1: is it running? (connection refused)\n');
    expect(code).toBe(2);
  });

  test('whose page has no free port says which', async () => {
    const file = node('no-port', (config) => {
      config.page = { host: '127.0.0.1', port };
    });
    const { code, said } = await controller(file);
    expect(said).toContain(
      `/no-port/config.json: page.port: ${port} is taken by another program: stop it or choose another port\n`,
    );
    expect(code).toBe(2);
  });

  test('with five mistakes in its configuration names all five at once, and begins no ledger', async () => {
    const file = node('mistakes', (config) => {
      config.page = { host: '127.0.0.1', port: 99_999 };
      config.broker = { urls: ['127.0.0.1'] };
      config.meter = { model: 'sdm999', tcp: '127.0.0.1:1', unit: 300, timeout_ms: 500, period_ms: 1000 };
      config.colour = 'red';
    });
    const { code, said } = await controller(file);
    const lines = said.trimEnd().split('\n');
    expect(lines.at(-1)).toBe(`${lines.length - 1} problems; nothing was started.`);
    for (const part of ['page.port', 'broker.urls', 'sdm999', 'meter.unit', 'colour']) expect(said).toContain(part);
    expect(lines).toHaveLength(6);
    expect(code).toBe(2);
    expect(existsSync(join(folder, 'mistakes', 'ledger.sqlite'))).toBe(false);
  });

  test('whose key everyone can read is not started', async () => {
    const file = node('exposed');
    chmodSync(join(folder, 'exposed', 'head.key'), 0o644);
    const { code, said } = await controller(file);
    expect(said).toContain('/exposed/head.key');
    expect(said).toContain('chmod 600');
    expect(code).toBe(2);
  });

  test('with the ledger of another node leaves it as it is', async () => {
    await controller(node('first')); // begins a ledger, then finds no broker
    const ledger = join(folder, 'first', 'ledger.sqlite');
    const before = readFileSync(ledger);
    const file = node('second', (config) => {
      config.ledger = ledger;
    });
    const { code, said } = await controller(file);
    expect(said).toMatch(
      /ledger: \/first\/ledger\.sqlite: the ledger of another node; check the paths of ledger and key\n/,
    );
    expect(code).toBe(2);
    expect(readFileSync(ledger)).toEqual(before);
  });

  test('that has traded before starts without its broker, and says which ledger holds no chain', async () => {
    await controller(node('damaged'));
    const file = join(folder, 'damaged', 'ledger.sqlite');
    const { publicKey, genesisHash } = readLedger(file);
    const ledger = openLedger(file, { publicKey, genesisHash }, openVoteCounter(`${file}.votes`));
    const block = { height: 1, round: 1, hash: new Uint8Array(32), message: new Uint8Array([1]), certificate: null };
    ledger.append([{ kind: 'final', block, view: 1 }]);
    ledger.close();
    const { code, said } = await controller(join(folder, 'damaged', 'config.json'));
    expect(said).toMatch(
      /ledger\.sqlite: cannot be resumed \(.*\); look with: (npm run p2pebt --|p2pebt) ledger verify /,
    );
    expect(code).toBe(2);
  });
});

/** A Node of another major version, where the machine has one. */
const otherNode = ['/usr/bin/node', '/usr/local/bin/node'].find(
  (path) => existsSync(path) && !/^v(22|24)\./.test(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout),
);
test.skipIf(otherNode === undefined)('the command under an older Node says so, and starts nothing', () => {
  const { status, stdout, stderr } = spawnSync(otherNode as string, [join(root, 'firmware/p2pebt.cjs'), 'run'], {
    encoding: 'utf8',
  });
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(
    /^p2pebt: this is Node \S+, but p2pebt needs Node 24 .* Nothing was started\. Install Node 24 .*\n$/,
  );
});
test.skipIf(otherNode === undefined)('npm start under an older Node finds the locked one', () => {
  const { status, stdout } = spawnSync(
    otherNode as string,
    [join(root, 'firmware/launch.cjs'), 'sim-hardware/main.ts', '--help'],
    {
      encoding: 'utf8',
    },
  );
  expect([status, stdout]).toEqual([0, expect.stringContaining('Usage: npm start --')]);
});
