/**
 * `npm run bench:round [-- --rounds 12 --nodes 5 --scale 30]`: the neighbourhood over Mosquitto. From T_lock to the
 * moment at which a controller has the FINAL certificate and its plan, by the controllers' own logs; messages and
 * bytes by an observer at the broker. The protocol itself waits 2 s of a five-minute round after T_lock.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { decisionStart, hours } from '../../firmware/protocol/round.ts';
import { startBench } from '../../sim-hardware/bench.ts';
import { eventually } from '../e2e/eventually.ts';
import { startMosquitto } from '../e2e/mosquitto.ts';
import { observe } from '../e2e/observer.ts';
import { conclude, spread } from './figures.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '12' },
    nodes: { type: 'string', default: '5' },
    scale: { type: 'string', default: '30' },
  },
});
const [wanted, nodes, scale] = [Number(values.rounds), Number(values.nodes), Number(values.scale)];

const mosquitto = await startMosquitto();
const bench = await startBench({ nodes, seed: 1, scale, broker: mosquitto.url });
const observer = await observe(mosquitto.url, bench.neighbourhood);
try {
  const { round_ms, lock_ms } = hours(bench.neighbourhood.roundTime_s);
  /** The wall's UTC of a time of the bench. */
  const offset_ms = Date.now() - bench.clock.now() / scale;
  const wall = (bench_ms: number) => offset_ms + bench_ms / scale;

  process.stderr.write(`${nodes} controllers, ${scale} times faster than the wall, ${wanted} rounds ...\n`);
  const totals = () => bench.view()?.chain.totals;
  const decided = () => (totals()?.committed ?? 0) + (totals()?.terminated ?? 0);
  const within_ms = 20_000 + (2 * (wanted + 2) * round_ms) / scale;
  await eventually(`${wanted} rounds decided`, () => decided() >= wanted, { within_ms });
  const { committed, terminated } = totals() ?? { committed: 0, terminated: 0 };

  const wall_ms = bench.controllers.flatMap(({ directory }) =>
    readFileSync(join(directory, 'log'), 'utf8')
      .split('\n')
      .flatMap((line) => {
        const { code, round, time } = line.startsWith('{') ? JSON.parse(line) : {};
        return code === 'committed' ? [Date.parse(time) - wall(decisionStart(round, round_ms) + lock_ms)] : [];
      }),
  );
  const rounds = committed + terminated;
  const bytes = observer.heard.reduce((sum, { topic, wire }) => sum + topic.length + wire.length, 0);
  const types = [...new Set(observer.heard.map(({ topic }) => topic.split('/')[3]))].sort();
  const perRound = (type: string) =>
    observer.heard.filter(({ topic }) => topic.split('/')[3] === type).length / rounds / nodes;
  conclude({ node: process.version, nodes, scale, committed, terminated, samples: wall_ms.length }, [
    ...spread('T_lock to FINAL at a controller', 'ms of the wall', wall_ms),
    ...spread(
      'T_lock to FINAL at a controller',
      's of the bench',
      wall_ms.map((ms) => (ms * scale) / 1000),
    ),
    { name: 'sent by a node in a round, messages', value: observer.heard.length / rounds / nodes },
    { name: 'sent by a node in a round, kB', value: bytes / rounds / nodes / 1000 },
    { name: 'received by a node in a round, messages', value: observer.heard.length / rounds },
    { name: 'received by a node in a round, kB', value: bytes / rounds / 1000 },
    ...types.map((type) => ({ name: `  of type ${type}, messages a node and round`, value: perRound(type) })),
  ]);
} finally {
  await observer.close();
  await bench.stop();
  await mosquitto.remove();
}
