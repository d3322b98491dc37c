/** `npm run simulate -- --nodes 100 --rounds 1000 --seed 7 --faults all [--steady] [--tight] [--json]`. Exit code 1 on a violation. */
import { parseArgs } from 'node:util';
import { FAULTS, type Fault } from './faults.ts';
import { type Line, type Report, type RunOptions, simulate } from './simulate.ts';

const USAGE = `npm run simulate -- [--nodes N] [--rounds N] [--seed N] [--faults all|none|LIST] [--steady] [--tight] [--json]
  --faults   comma separated: ${FAULTS.join(', ')}
  --steady   all of them all the time, to measure; without it storms and calms take turns
  --tight    a connection that carries little more than the households, so that capacity is at stake`;

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '100' },
    seed: { type: 'string' },
    faults: { type: 'string', default: 'all' },
    steady: { type: 'boolean', default: false },
    tight: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) fail(`--${name} ${text}: not a whole number from ${least}`);
  return value;
}

function fail(message: string): never {
  console.error(`${message}\n${USAGE}`);
  process.exit(2);
}

function faultsOf(text: string): readonly Fault[] {
  if (text === 'all') return FAULTS;
  if (text === 'none') return [];
  return text.split(',').map((name) => {
    const fault = FAULTS.find((each) => each === name);
    return fault ?? fail(`--faults ${name}: no such fault`);
  });
}

/** Leaves out one kind of fault after the other as long as the same invariant still breaks, then tells the story. */
function minimal(options: RunOptions, found: Report): { readonly report: Report; readonly story: readonly string[] } {
  let report = found;
  for (const fault of options.faults ?? []) {
    const faults = report.faults.filter((each) => each !== fault);
    const again = simulate({ ...options, faults });
    if (again.violation?.invariant === found.violation?.invariant) report = again;
  }
  const lines: Line[] = [];
  simulate({ ...options, faults: report.faults, tell: (line) => lines.push(line) });
  const from = (report.violation?.round ?? 0) - 1;
  const story = lines
    .filter(({ round }) => round >= from)
    .map((line) => `${line.round} ${line.offset_s.toFixed(1).padStart(6)} s  ${line.node.padEnd(6)} ${line.text}`);
  return { report, story };
}

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const options: RunOptions = {
  nodes: whole('nodes', values.nodes, 4),
  rounds: whole('rounds', values.rounds, 1),
  seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : whole('seed', values.seed, 0),
  faults: faultsOf(values.faults),
  steady: values.steady,
  sizing: values.tight ? 'tight' : 'wide',
};
const report = simulate(options);
const shrunk = report.violation === null ? null : minimal(options, report);
if (values.json) console.log(JSON.stringify(shrunk === null ? report : { ...report, minimal: shrunk }));
else {
  const percent = ((100 * report.finalInTime) / report.rounds).toFixed(1);
  console.log(
    `seed ${report.seed}: ${report.nodes} nodes, ${report.rounds} rounds, faults ${report.faults.join(' ') || 'none'}`,
  );
  console.log(`verdict        ${report.violation === null ? 'no invariant broke' : report.violation.text}`);
  console.log(`final in time  ${report.finalInTime} of ${report.rounds} rounds (${percent} %)`);
  console.log(`view changes   ${report.viewChanges}`);
  console.log(`bytes          ${(report.bytesPerNodeAndRound / 1000).toFixed(1)} kB per node and round`);
  console.log(`speed          ${report.roundsPerSecond} rounds/s`);
  console.log(`ledger         ${report.ledger}`);
  if (shrunk !== null) {
    console.log(`\nIt takes faults ${shrunk.report.faults.join(' ') || 'none'}; the last two rounds of it:`);
    for (const text of shrunk.story) console.log(text);
  }
}
process.exit(report.violation === null ? 0 : 1);
