/**
 * `npm run bench:control [-- --seconds 75]`: nine controllers at real-time scale, eight charge points and a head
 * meter. Period and lateness of the control loop, idle memory and processor time, from the start of a process to its
 * birth message, and from a meter that fails to the open contact (10 s by controller.md 2, and a cycle).
 */
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connectAsync } from 'mqtt';
import type { Cycle } from '../../firmware/charge-point.ts';
import { type Bench, startBench } from '../../sim-hardware/bench.ts';
import type { WireFault } from '../../sim-hardware/faults.ts';
import { eventually } from '../e2e/eventually.ts';
import { startMosquitto } from '../e2e/mosquitto.ts';
import { conclude, spread } from './figures.ts';
import { processorTime_s, residentMemory_MB } from './process-figures.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '75' } } });
const idle_s = Number(values.seconds);
const STARTS = 5;
/** Eight charge points: half of them have a vehicle that wants energy within the first two minutes. */
const NODES = 9;
const FAULTS: readonly WireFault[] = ['silence', 'bad-checksum', 'implausible', 'slow-trickle'];

const say = (text: string) => process.stderr.write(`${text}\n`);
const probe = fileURLToPath(new URL('probe.cjs', import.meta.url));
process.env.NODE_OPTIONS = `--require ${probe}`;

interface Told {
  readonly cycle: Cycle;
  readonly ended_ms: number;
}

/** Everything that the loop of a charge point tells from now on. */
function listen(bench: Bench, name: string): Told[] {
  const told: Told[] = [];
  const child = bench.controllers.find((controller) => controller.name === name)?.process;
  child?.on('message', (message: Partial<Told>) => {
    if (message.cycle) told.push(message as Told);
  });
  return told;
}

async function idle(bench: Bench) {
  say(`${NODES} controllers at real time, idle for ${idle_s} s ...`);
  const pids = bench.controllers.map(({ process: child }) => child?.pid as number);
  const loops = bench.world.ids.map((name) => listen(bench, name));
  const before = pids.map(processorTime_s);
  const began = performance.now();
  await pause(idle_s * 1000);
  const took_s = (performance.now() - began) / 1000;
  const cpu_percent = pids.map((pid, i) => (100 * (processorTime_s(pid) - before[i])) / took_s);
  const cycles = loops.flat().map(({ cycle }) => cycle);
  const begins = loops.map((told) => told.map(({ cycle, ended_ms }) => ended_ms - cycle.took_ms));
  const periods = begins.flatMap((at) => at.slice(1).map((time, i) => time - at[i]));
  return [
    ...spread('control loop: period', 'ms', periods),
    ...spread(
      'control loop: lateness',
      'ms',
      cycles.map(({ late_ms }) => late_ms),
      50,
    ),
    ...spread(
      'control loop: one turn',
      'ms',
      cycles.map(({ took_ms }) => took_ms),
    ),
    { name: 'idle: processor, highest of the controllers, % of a core', value: Math.max(...cpu_percent), below: 3 },
    {
      name: 'idle: resident memory, highest of the controllers, MB',
      value: Math.max(...pids.map(residentMemory_MB)),
      below: 120,
    },
  ];
}

async function starts(bench: Bench, url: string) {
  say(`Starting a controller ${STARTS} times ...`);
  const client = await connectAsync(url, { protocolVersion: 4 });
  await client.subscribeAsync('p2pebt/1/bench/status/cp-1', { qos: 1 });
  const sample: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    await bench.kill('cp-1', 'SIGTERM');
    const born = new Promise<number>((resolve) => {
      client.on('message', (_topic, json) => {
        if ((JSON.parse(json.toString()) as { alive: boolean }).alive) resolve(performance.now());
      });
    });
    const began = performance.now();
    await bench.start('cp-1');
    sample.push((await born) - began);
    client.removeAllListeners('message');
  }
  await client.endAsync();
  const [p50, , max] = spread('start to birth message', 'ms', sample);
  return [p50, { ...max, below: 2_000 }];
}

async function badMeters(bench: Bench) {
  say("Charging by the owners' word, then every meter fails in its own way ...");
  const closed = (id: string) => bench.world.contacts(id).includes('closed');
  const pages = bench.controllers.filter(({ name }) => bench.world.ids.includes(name));
  const headers = { 'content-type': 'application/json' };
  for (const { page } of pages)
    await fetch(new URL('api/override', page as string), { method: 'PUT', headers, body: '{"override":"charge"}' });
  const drawing = () => bench.world.ids.filter(closed);
  await eventually('three contacts closed', () => drawing().length >= 3, { within_ms: 180_000 });
  const samples = await Promise.all(
    drawing().map(async (id, i) => {
      bench.wires.setFault(`${id} meter`, FAULTS[i % FAULTS.length]);
      return (await eventually(`${id} opens`, () => !closed(id), { within_ms: 30_000 })).took_ms;
    }),
  );
  const [p50, , max] = spread('bad meter to open contact', 'ms', samples);
  return [p50, { ...max, below: 15_000 }];
}

const mosquitto = await startMosquitto();
const bench = await startBench({ nodes: NODES, seed: 1, scale: 1, broker: mosquitto.url });
try {
  const started = await starts(bench, mosquitto.url);
  // The first start of a changed program compiles it; what stays is measured on the second.
  for (const { name } of bench.controllers) {
    await bench.kill(name, 'SIGTERM');
    await bench.start(name);
  }
  await pause(15_000); // starting up is not idling
  const figures = [...started, ...(await idle(bench)), ...(await badMeters(bench))];
  conclude({ node: process.version, controllers: NODES, idle_s, starts: STARTS }, figures);
} finally {
  await bench.stop();
  await mosquitto.remove();
}
