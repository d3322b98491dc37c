/**
 * `npm run bench:flood [-- --rounds 3 --scale 10 --rate 1000]`: bad messages at one controller of five, under the name of
 * a member. Its control loop's lateness, memory and processor time, whether rounds go on, and what it refused. It has a
 * Mosquitto of its own, joined to that of the others by a bridge, so that the flood is its alone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Cycle } from '../../firmware/charge-point.ts';
import { type Bench, startBench } from '../../sim-hardware/bench.ts';
import { eventually } from '../e2e/eventually.ts';
import { startMosquitto } from '../e2e/mosquitto.ts';
import { conclude, spread } from './figures.ts';
import { processorTime_s, residentMemory_MB, waitedForProcessor_s } from './process-figures.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    scale: { type: 'string', default: '10' },
    rate: { type: 'string', default: '1000' },
  },
});
const [rounds, scale, rate] = [Number(values.rounds), Number(values.scale), Number(values.rate)];
const NODES = 5;
const TARGET = 'cp-1';
const FLOODER = 'cp-2';
const SAMPLE_ms = 200;
const round_wall_ms = 300_000 / scale;

const say = (text: string) => process.stderr.write(`${text}\n`);
const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
process.env.NODE_OPTIONS = `--require ${fileOf('probe.cjs')}`;

/** Everything into the second broker, and what the target says out of it. */
const bridge = (url: string): string => `
connection trunk
address ${new URL(url).host}
bridge_protocol_version mqttv311
notifications false
restart_timeout 1
topic p2pebt/1/bench/+/${TARGET} out 1
topic p2pebt/1/bench/+/+/${TARGET} out 1
topic p2pebt/1/bench/# in 1
`;

const target = (bench: Bench) => bench.controllers.find(({ name }) => name === TARGET) as Bench['controllers'][number];
const totals = (bench: Bench) => target(bench).view?.chain.totals ?? { committed: 0, terminated: 0 };
const refusals = (bench: Bench) => target(bench).view?.nodes[0]?.refusals ?? {};

/** Ends it and starts it again at another broker. */
async function move(bench: Bench, from: string, to: string): Promise<void> {
  const file = join(target(bench).directory, 'config.yaml');
  await bench.kill(TARGET, 'SIGTERM');
  writeFileSync(file, readFileSync(file, 'utf8').replace(from, to));
  await bench.start(TARGET);
}

/** What the target does until so many more rounds are decided. */
async function watch(bench: Bench, rounds: number) {
  const child = target(bench).process as ChildProcess;
  const pid = child.pid as number;
  const late_ms: number[] = [];
  const listen = ({ cycle }: { cycle?: Cycle }): void => {
    if (cycle) late_ms.push(cycle.late_ms);
  };
  child.on('message', listen);
  const [cpu_s, waited_s, began] = [processorTime_s(pid), waitedForProcessor_s(pid), performance.now()];
  const decided = (): number => totals(bench).committed + totals(bench).terminated;
  const enough = decided() + rounds;
  const memory_MB: number[] = [];
  while (decided() < enough && performance.now() - began < (rounds + 2) * round_wall_ms) {
    memory_MB.push(residentMemory_MB(pid));
    await pause(SAMPLE_ms);
  }
  child.off('message', listen);
  const took_s = (performance.now() - began) / 1000;
  const percent = (seconds: number): number => (100 * seconds) / took_s;
  const cpu_percent = percent(processorTime_s(pid) - cpu_s);
  return { late_ms, memory_MB, took_s, cpu_percent, waited_percent: percent(waitedForProcessor_s(pid) - waited_s) };
}

function flood(bench: Bench, url: string): ChildProcess {
  const neighbourhood = join(bench.directory, 'neighbourhood.json');
  const words = [url, neighbourhood, bench.clock.now(), scale, rate, FLOODER].map(String);
  const env = { ...process.env, NODE_OPTIONS: '' };
  return spawn(process.execPath, [fileOf('flooder.ts'), ...words], { stdio: ['ignore', 'inherit', 'inherit'], env });
}

const main = await startMosquitto();
const side = await startMosquitto(bridge(main.url));
const bench = await startBench({ nodes: NODES, seed: 1, scale, broker: main.url });
let flooder: ChildProcess | null = null;
try {
  await move(bench, main.url, side.url);
  await eventually('a first round', () => totals(bench).committed >= 1, { within_ms: 20_000 + 3 * round_wall_ms });
  say(`${NODES} controllers, ${scale} times faster than the wall; a round of peace ...`);
  const before = await watch(bench, 1);
  const [start, refusedBefore] = [totals(bench), refusals(bench)];
  say(`${rate} bad messages a second at ${TARGET} for ${rounds} rounds ...`);
  flooder = flood(bench, side.url);
  const during = await watch(bench, rounds);
  flooder.kill();
  const [end, refused] = [totals(bench), refusals(bench)];
  say('a round of peace ...');
  const after = await watch(bench, 1);

  const share = (code: string) => ((refused[code] ?? 0) - (refusedBefore[code] ?? 0)) / during.took_s;
  const codes = Object.keys(refused).sort();
  const highest_MB = Math.max(...during.memory_MB);
  const before_MB = before.memory_MB.at(-1) as number;
  conclude({ node: process.version, controllers: NODES, scale, rounds, rate }, [
    ...spread('control loop: lateness before', 'ms', before.late_ms),
    ...spread('control loop: lateness under the flood', 'ms', during.late_ms, 50),
    ...spread('control loop: lateness after', 'ms', after.late_ms),
    { name: 'resident memory before, MB', value: before_MB },
    { name: 'resident memory under the flood, highest, MB', value: highest_MB },
    { name: 'resident memory under the flood, last, MB', value: during.memory_MB.at(-1) as number },
    { name: 'resident memory after, MB', value: after.memory_MB.at(-1) as number },
    { name: 'resident memory: growth to the highest, MB', value: highest_MB - before_MB, below: 100 },
    { name: 'processor before, % of a core', value: before.cpu_percent },
    { name: 'processor under the flood, % of a core', value: during.cpu_percent },
    { name: 'processor after, % of a core', value: after.cpu_percent },
    // On a machine shared with others, lateness that is theirs: the process was ready, and no processor was free.
    { name: 'waiting for a processor before, % of the time', value: before.waited_percent },
    { name: 'waiting for a processor under the flood, % of the time', value: during.waited_percent },
    { name: 'rounds committed under the flood', value: end.committed - start.committed },
    { name: 'rounds lost under the flood', value: end.terminated - start.terminated, below: 1 },
    {
      name: 'flooded or muted in peace, messages',
      value: (refusedBefore.flooded ?? 0) + (refusedBefore.muted ?? 0),
      below: 1,
    },
    { name: 'refused, messages a second', value: codes.reduce((sum, code) => sum + share(code), 0) },
    ...codes.map((code) => ({ name: `  as ${code}`, value: share(code) })),
  ]);
} finally {
  flooder?.kill();
  await bench.stop();
  await side.remove();
  await main.remove();
}
