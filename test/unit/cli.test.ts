/** The command itself, as a person runs it: a process of its own, its words and its exit code. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Aedes } from 'aedes';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKeyFile } from '../../firmware/adapters/key-file.ts';
import { neighbourhoodOf } from './protocol-driver.ts';

const COMMAND = fileURLToPath(new URL('../../firmware/p2pebt.cjs', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'p2pebt-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const p2pebt = (...args: string[]) => startedBy(undefined, ...args);

/** As that script of npm's would start it; without one, as a person who has it on the PATH. */
function startedBy(script: string | undefined, ...args: string[]) {
  const { npm_lifecycle_event: _ours, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...env, ...(script !== undefined && { npm_lifecycle_event: script }) },
  });
  return { status, stdout: stdout.replaceAll(folder, ''), stderr: stderr.replaceAll(folder, '') };
}

test('--help names every command and --version the version', () => {
  const { status, stdout } = p2pebt('--help');
  expect(status).toBe(0);
  for (const name of ['init', 'check', 'run', 'ledger', 'simulate'])
    expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  expect(p2pebt('--version').stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test.each([
  [['chek'], "unknown command 'chek'\n(Did you mean check?)"],
  [['check'], "required option '--config <FILE>' not specified"],
  [['check', '--bogus'], "unknown option '--bogus'"],
  [['run', '--config', 'x.yaml', '--fast'], "unknown option '--fast'"],
  [['run', '--config', 'none.yaml'], 'none.yaml: no such file; check the path'],
  [['simulate'], "missing required argument 'FILE'"],
  [['simulate', 'a.json', '--rule', 'best'], 'Allowed choices are plan, eq11, spread, once'],
  [['init'], "missing required argument 'DIR'"],
])('p2pebt %j is one clear message and exit code 2', (args, message) => {
  const { status, stdout, stderr } = p2pebt(...args);
  expect(stderr).toContain(message);
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).not.toMatch(/\n\s+at /); // no stack trace
});

describe('init, then check, as an installer would', () => {
  test('makes a key and commented files, and says what to do next; a second time it touches nothing', () => {
    const { status, stdout } = p2pebt('init', join(folder, 'node'), '--name', 'cp-1');
    expect(status).toBe(0);
    expect(stdout).toContain('  3. p2pebt check --config /node/p2pebt.yaml\n');
    const files = readdirSync(join(folder, 'node')).sort();
    expect(files).toEqual(['key.pem', 'key.pem.votes', 'neighbourhood.yaml', 'p2pebt.yaml']);
    expect(statSync(join(folder, 'node', 'key.pem')).mode & 0o777).toBe(0o600);
    const before = files.map((name) => readFileSync(join(folder, 'node', name), 'utf8'));

    const again = p2pebt('init', join(folder, 'node'));
    expect(again).toMatchObject({ status: 2, stdout: '' });
    expect(again.stderr).toContain('/node: already holds key.pem and p2pebt.yaml; nothing is overwritten');
    expect(files.map((name) => readFileSync(join(folder, 'node', name), 'utf8'))).toEqual(before);
  });

  test('check names the keys that are still to come; with them, everything is consistent', () => {
    const file = join(folder, 'node', 'p2pebt.yaml');
    const open = p2pebt('check', '--config', file);
    expect(open.status).toBe(2);
    expect(open.stderr.trim().split('\n')).toHaveLength(5); // four keys, and the sum
    expect(open.stderr).toMatch(
      /^\/node\/neighbourhood.yaml:\d+:5: nodes\[1\].publicKey: "\(printed by p2pebt init at cp-2\)"/,
    );

    const neighbourhood = join(folder, 'node', 'neighbourhood.yaml');
    const complete = readFileSync(neighbourhood, 'utf8').replace(
      /\(printed by p2pebt init at (\S+)\)/g,
      (_text, name) => Buffer.from(createKeyFile(join(folder, `${name}.pem`)).publicKey).toString('hex'),
    );
    writeFileSync(neighbourhood, complete);
    const { status, stdout, stderr } = p2pebt('check', '--config', file);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('Everything is consistent.');
    expect(existsSync(join(folder, 'node', 'ledger.sqlite'))).toBe(false); // it only looked
  });

  test('a head meter gets a configuration of its own, and an existing neighbourhood file is left alone', () => {
    const dir = join(folder, 'meter');
    p2pebt('init', dir, '--name', 'head', '--head-meter');
    expect(readFileSync(join(dir, 'p2pebt.yaml'), 'utf8')).not.toContain('relays:');
    rmSync(join(dir, 'key.pem'));
    rmSync(join(dir, 'key.pem.votes'));
    rmSync(join(dir, 'p2pebt.yaml'));
    writeFileSync(join(dir, 'neighbourhood.yaml'), 'mine');
    expect(p2pebt('init', dir, '--name', 'head', '--head-meter').stdout).toContain(
      'was there already and was left as it is',
    );
    expect(readFileSync(join(dir, 'neighbourhood.yaml'), 'utf8')).toBe('mine');
  });

  test('started by npm, its hints can be typed as they stand in a checkout', () => {
    const dir = join(folder, 'npm');
    const { stdout } = startedBy('p2pebt', 'init', dir, '--name', 'cp-1');
    expect(stdout).toContain('  3. npm run p2pebt -- check --config /npm/p2pebt.yaml\n');
    expect(stdout).toContain('  4. npm run p2pebt -- run --config /npm/p2pebt.yaml\n');
    expect(readFileSync(join(dir, 'p2pebt.yaml'), 'utf8')).toContain(
      `Check it with: npm run p2pebt -- check --config ${dir}/p2pebt.yaml\n`,
    );
    const { stderr } = startedBy('p2pebt', 'check', '--config', join(folder, 'none.yaml'));
    expect(stderr).toContain('check the path (npm run p2pebt -- init makes one)');
    expect(startedBy('p2pebt', 'chek').stderr).toContain('(npm run p2pebt -- --help,');
  });

  test.each([
    ['/dev/null/x', '/dev/null/x: cannot be made (/dev/null is not a folder); name another folder\n'],
    ['/proc/x', "/proc/x: cannot be made (ENOENT: no such file or directory, mkdir '/proc/x'); name another folder\n"],
  ])('a folder that cannot be made, %s, is one clear message at once', (dir, message) => {
    expect(p2pebt('init', dir, '--name', 'cp-1')).toEqual({ status: 2, stdout: '', stderr: message });
  });

  test('folders above the one that is named are made with it', () => {
    expect(p2pebt('init', join(folder, 'deep', 'down'), '--name', 'cp-1').status).toBe(0);
    expect(statSync(join(folder, 'deep', 'down')).mode & 0o777).toBe(0o700);
  });

  test('what it says to type can be typed, whatever the folder is called', () => {
    const said = p2pebt('init', join(folder, "Jo's node"), '--name', 'cp-1').stdout;
    const path = (/'.*'$/m.exec(said) as RegExpExecArray)[0].replace("'/", `'${folder}/`); // the helper takes it out
    expect(spawnSync('sh', ['-c', `ls ${path}`]).status).toBe(0);
  });

  test('a name that fits no topic is refused before anything is made', () => {
    const { status, stderr } = p2pebt('init', join(folder, 'bad'), '--name', 'my node');
    expect([status, stderr]).toEqual([
      2,
      '--name "my node": cannot be a name; write up to 32 letters, digits and hyphens\n',
    ]);
    expect(existsSync(join(folder, 'bad'))).toBe(false);
  });
});

describe('simulate', () => {
  const day = (name: string): string => fileURLToPath(new URL(`../scenarios-data/${name}.json`, import.meta.url));
  const FEW = day('few-vehicles-1');
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  /** A row of the table by its column. */
  const rows = (stdout: string) => {
    const [head, ...lines] = stdout.split('\n').map((line) => line.split(/ {2,}/));
    return lines.map((cells) => Object.fromEntries(head!.map((title, i) => [title, cells[i]])));
  };
  /** What it did, judged from the scenario and the decisions that it wrote alone. */
  const waitsOf = (file: string, executed: readonly { id: string; round: number }[]) => {
    const placed = new Map<string, number>(
      JSON.parse(readFileSync(file, 'utf8')).orders.map((order: { id: string; round: number }) => [
        order.id,
        order.round,
      ]),
    );
    const waits = executed.map(({ id, round }) => round - placed.get(id)!);
    return { orders: placed.size, ids: new Set(executed.map(({ id }) => id)).size, waits };
  };

  test('a good file: the table, and every decision as JSON', () => {
    const { status, stdout, stderr } = p2pebt('simulate', FEW, '--json', join(folder, 'few.json'));
    expect([status, stderr]).toEqual([0, '']);
    const { executed, over_capacity, rule } = read('few.json');
    expect(Object.keys(executed[0])).toEqual(['id', 'round']);
    const { orders, ids, waits } = waitsOf(FEW, executed);
    expect([executed.length, ids]).toEqual([orders, orders]);
    expect([over_capacity, rule]).toEqual([[], 'plan']);
    const [row] = rows(stdout);
    expect(row).toMatchObject({ scenario: 'few-vehicles-1', rule: 'plan', base: '23.2', 'over cap': '0' });
    expect(row!['wait mean']).toBe((waits.reduce((a, b) => a + b, 0) / orders).toFixed(2));
    expect(row!.max).toBe(String(Math.max(...waits)));
    expect(Number(row!.max)).toBeGreaterThan(0);
    expect(Number(row!['cbrt -%'])).toBeGreaterThan(50);
    expect(Number(row!['relay ops'])).toBeLessThan(orders);
  });

  test('another rule decides otherwise', () => {
    const { stdout } = p2pebt('simulate', FEW, '--rule', 'once', '--json', join(folder, 'once.json'));
    const { executed } = read('once.json');
    expect(rows(stdout)[0]).toMatchObject({ rule: 'once', 'cbrt -%': '0.0', 'wait mean': '0.00', max: '0' });
    expect(new Set(waitsOf(FEW, executed).waits)).toEqual(new Set([0]));
  });

  test('two files: a row each and their mean, and a list as --help says', () => {
    const { status, stdout } = p2pebt(
      'simulate',
      FEW,
      day('paper-1'),
      '--rule',
      'eq11',
      '--json',
      join(folder, 'two.json'),
    );
    expect(status).toBe(0);
    const [first, second] = rows(stdout);
    expect([first!.scenario, second!.scenario]).toEqual(['few-vehicles-1', 'paper-1']);
    const mean = Number(/^mean +([\d.]+)/m.exec(stdout)![1]);
    expect(mean).toBeCloseTo((Number(first!['cbrt -%']) + Number(second!['cbrt -%'])) / 2, 0);
    expect(read('two.json').map(({ name }: { name: string }) => name)).toEqual(['few-vehicles-1', 'paper-1']);
    const help = p2pebt('simulate', '--help').stdout.replaceAll(/\s+/g, ' ');
    expect(help).toContain('{"executed":[{"id","round"},...],...}, several files a list of these, in their order');
    expect(help).toContain('relay ops: contacts closed.');
  });

  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  test('bad files: the faults of all of them, nothing is run or written', () => {
    const bad = write('bad.json', readFileSync(FEW, 'utf8').replace('"capacity_w"', '"capacity"'));
    const broken = write('broken.json', '{"name": \u001b[31m}');
    const { status, stdout, stderr } = p2pebt('simulate', FEW, bad, broken, '--json', join(folder, 'never.json'));
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(
      '/bad.json: capacity_w: missing\n/bad.json: the file: Unrecognized key: "capacity"\n/broken.json: not JSON: ',
    );
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stderr).not.toContain('\u001b');
    expect(existsSync(join(folder, 'never.json'))).toBe(false);
    expect(p2pebt('simulate', join(folder, 'none.json')).status).toBe(2);
  });

  test('a result that cannot be written is found before anything runs', () => {
    const nowhere = p2pebt('simulate', FEW, '--json', join(folder, 'no', 'such', 'folder.json'));
    expect([nowhere.status, nowhere.stdout]).toEqual([2, '']);
    expect(nowhere.stderr).toMatch(/^\/no\/such\/folder.json: cannot be written: ENOENT.*; nothing was run\n$/);
    const full = p2pebt('simulate', FEW, '--json', '/dev/full'); // opens, but takes nothing
    expect([full.status, full.stderr]).toEqual([
      2,
      '/dev/full: could not be written: ENOSPC: no space left on device, write\n',
    ]);
    expect(rows(full.stdout)[0]).toMatchObject({ scenario: 'few-vehicles-1' });
    const copy = write('copy.json', readFileSync(FEW, 'utf8'));
    const own = p2pebt('simulate', copy, '--json', copy);
    expect([own.status, own.stdout]).toEqual([2, '']);
    expect(own.stderr).toBe('/copy.json: is a scenario that is to be read; name another file for --json\n');
    expect(readFileSync(copy, 'utf8')).toBe(readFileSync(FEW, 'utf8'));
  });
});

describe.each([3, 4])('the head meter of %i charge points that have never traded', (chargePoints) => {
  /** Runs it until it is up and `enough` has come, or it has ended by itself: how it ended, and what it told. */
  async function started(broker: string, enough: Promise<unknown> = Promise.resolve()) {
    const dir = mkdtempSync(join(folder, 'head-'));
    const publicKey = Buffer.from(createKeyFile(join(dir, 'key.pem')).publicKey).toString('hex');
    const { nodes, ...rules } = neighbourhoodOf(chargePoints);
    const own = nodes.map((node) => (node.role === 'head-meter' ? { ...node, publicKey } : node));
    writeFileSync(join(dir, 'neighbourhood.json'), JSON.stringify({ ...rules, nodes: own }));
    const files = { key: 'key.pem', neighbourhood: 'neighbourhood.json', ledger: 'ledger.sqlite' };
    const meter = { model: 'eastron-sdm630', tcp: '127.0.0.1:1' };
    const config = { node: 'head', ...files, broker: { urls: [broker] }, meter, page: 'off' };
    writeFileSync(join(dir, 'p2pebt.yaml'), JSON.stringify(config));
    const child = spawn(process.execPath, [COMMAND, 'run', '--config', join(dir, 'p2pebt.yaml')], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    let [told, ready] = ['', false];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (told += text));
    child.on('message', () => {
      ready = true;
      enough.then(() => child.kill('SIGTERM'));
    });
    const [code] = await once(child, 'close');
    const warnings = told
      .split('\n')
      .filter((line) => line.includes('"No agreement: this neighbourhood has 3 charge points'));
    return { ready, code, warnings: warnings.length };
  }
  const alone = chargePoints === 3;

  test('without a broker: starts only where there is nobody to agree with, and says so once', async () => {
    const ends = alone ? { ready: true, code: 0, warnings: 1 } : { ready: false, code: 2, warnings: 0 };
    expect(await started('mqtt://127.0.0.1:1')).toEqual(ends);
  }, 20_000);

  test('its birth message tells whether it can agree', async () => {
    const aedes = await Aedes.createBroker();
    const birth = new Promise((resolve) => {
      aedes.on('publish', ({ topic, payload }) => {
        if (topic === 'p2pebt/1/street/status/head') resolve(JSON.parse(payload.toString()));
      });
    });
    const server = createServer((socket) => void aedes.handle(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await started(`mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`, birth);
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    server.close();
    expect(await birth).toMatchObject({ alive: true, agrees: !alone });
  }, 20_000);
});

test('on another Node it says so, and starts nothing', () => {
  // The same file in a context that claims to be older: the one thing it may use is what Node 0.12 had.
  const claim = `Object.defineProperty(process.versions, 'node', { value: '20.20.2' }); require(${JSON.stringify(COMMAND)})`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', claim, 'init', join(folder, 'old')], {
    encoding: 'utf8',
  });
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toContain('this is Node 20.20.2, but p2pebt needs Node 24');
  expect(existsSync(join(folder, 'old'))).toBe(false);
});
