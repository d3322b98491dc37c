/** `npm run simulate -- --nodes 100 --rounds 1000 --seed 7 --faults all`; further flags: USAGE. Exit code 1 on a violation. */
import { parseArgs } from 'node:util';
import { RULES, type Rule } from '../../firmware/solver/solve.ts';
import { LIES, type Lie } from './byzantine.ts';
import { commandOf } from './command.ts';
import { FAULTS, type Fault } from './faults.ts';
import { MUTANTS, withMutant } from './mutants.ts';
import { shrink } from './shrink.ts';
import { simulate } from './simulate.ts';
import { type PlainOptions, thread } from './worker.ts';

const USAGE = `npm run simulate -- [--nodes N] [--rounds N] [--seed N] [--faults all|none|LIST] [--steady] [--tight]
       [--lies LIST] [--twins N] [--fragile N] [--first-round N] [--rule NAME]
       [--jobs N] [--mutants] [--json]
  --faults   comma separated: ${FAULTS.join(', ')}
  --steady   all of them all the time, to measure; without it storms and calms take turns
  --tight    a connection that carries little more than the households, so that capacity is at stake
  --lies     what malicious nodes choose from: ${LIES.join(', ')}
  --twins    so many nodes run twice under one key, in partitions drawn for each view; no other faults
  --fragile  so many nodes may lose their memory, even if more than may be faulty (then I13 is not looked at)
  --first-round  the first round to be decided (1000); a day begins with every 288th, 1152 for one
  --rule     what all solve by: ${RULES.join(', ')}; without it half of the nodes solve by one, half by another
  --jobs     threads: the rounds are shared out to as many seeds, this one and those after it; the speed counts from when
             all of them are ready
  --mutants  instead: run each mutant of the rules at its seed and print what caught it`;

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '100' },
    seed: { type: 'string' },
    faults: { type: 'string', default: 'all' },
    steady: { type: 'boolean', default: false },
    lies: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    twins: { type: 'string', default: '0' },
    fragile: { type: 'string' },
    'first-round': { type: 'string' },
    rule: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    tight: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function whole(name: string, text: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text);
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  if (!Number.isSafeInteger(value) || value < least || value > most)
    fail(`--${name} ${text}: not a whole number ${range}`);
  return value;
}

function fail(message: string): never {
  console.error(`${message}\n${USAGE}`);
  process.exit(2);
}

function lieOf(name: string): Lie {
  return LIES.find((each) => each === name) ?? fail(`--lies ${name}: no such lie`);
}

function ruleOf(name: string): Rule {
  return RULES.find((each) => each === name) ?? fail(`--rule ${name}: no such rule`);
}

function faultsOf(text: string): readonly Fault[] {
  if (text === 'all') return FAULTS;
  if (text === 'none') return [];
  return text.split(',').map((name) => {
    const fault = FAULTS.find((each) => each === name);
    return fault ?? fail(`--faults ${name}: no such fault`);
  });
}

/** Each mutant at its seed, and what caught it. */
async function showMutants(): Promise<boolean> {
  let all = true;
  console.log(`${'mutant'.padEnd(28)}${'nodes'.padStart(5)}${'seed'.padStart(5)}  caught in   what it does`);
  for (const mutant of MUTANTS) {
    const run = { ...mutant.run, ...mutant.options };
    const { violation, rounds } = await withMutant(mutant, (core) => simulate({ ...run, ...(core && { core }) }));
    const caught = violation !== null && (mutant.caughtBy as readonly string[]).includes(violation.invariant);
    all &&= caught;
    const how = caught ? `${violation.invariant} in ${rounds}` : 'NOT CAUGHT';
    console.log(
      `${mutant.name.padEnd(28)}${String(run.nodes).padStart(5)}${String(run.seed).padStart(5)}  ${how.padEnd(12)}${mutant.meaning}`,
    );
  }
  return all;
}

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
if (values.mutants) process.exit((await showMutants()) ? 0 : 1);
const nodes = whole('nodes', values.nodes, 4);
const twins = whole('twins', values.twins, 0, nodes);
const options: PlainOptions = {
  nodes,
  rounds: whole('rounds', values.rounds, 1),
  seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : whole('seed', values.seed, 0),
  faults: twins > 0 ? [] : faultsOf(values.faults),
  twins,
  steady: values.steady,
  sizing: values.tight ? 'tight' : 'wide',
  ...(values.fragile !== undefined && { fragile: whole('fragile', values.fragile, 0, nodes) }),
  ...(values['first-round'] !== undefined && { firstRound: whole('first-round', values['first-round'], 1) }),
  ...(values.rule !== undefined && { rule: ruleOf(values.rule) }),
  ...(values.lies !== undefined && { lies: values.lies.split(',').map(lieOf) }),
};
const jobs = whole('jobs', values.jobs, 1);
const rounds = Math.ceil(options.rounds / jobs);
const runs: PlainOptions[] = Array.from({ length: jobs }, (_, job) => ({
  ...options,
  rounds,
  seed: options.seed + job,
}));
const threads = jobs === 1 ? [simulate] : await Promise.all(runs.map(thread));
const started_ms = performance.now();
const reports = await Promise.all(threads.map((run, job) => run(runs[job])));
const broken = reports.findIndex(({ violation }) => violation !== null);
const total = reports.reduce((sum, report) => sum + report.rounds, 0);
const speed = Math.round((total / (performance.now() - started_ms)) * 10_000) / 10;
const shrunk = broken < 0 ? null : shrink(runs[broken], reports[broken]);

if (values.json) console.log(JSON.stringify(shrunk === null ? reports : { reports, minimal: shrunk }));
else {
  for (const [job, report] of reports.entries()) {
    const percent = ((100 * report.finalInTime) / report.rounds).toFixed(1);
    console.log(
      `seed ${report.seed}: ${report.nodes} nodes, ${report.rounds} rounds, faults ${report.faults.join(' ') || 'none'}`,
    );
    console.log(`verdict        ${report.violation === null ? 'no invariant broke' : report.violation.text}`);
    console.log(`final in time  ${report.finalInTime} of ${report.rounds} rounds (${percent} %)`);
    console.log(`view changes   ${report.viewChanges}`);
    console.log(`bytes          ${(report.bytesPerNodeAndRound / 1000).toFixed(1)} kB per node and round`);
    console.log(`ledger         ${report.ledger}`);
    console.log(`again          ${commandOf(runs[job])}`);
  }
  console.log(
    `speed          ${speed} rounds/s${jobs > 1 ? `, ${jobs} seeds at a time, from when all threads were ready` : ''}`,
  );
  if (shrunk !== null) {
    console.log(`\nThe smallest run found that breaks it: ${commandOf(shrunk.options)}\nIts last two rounds:`);
    for (const text of shrunk.story) console.log(text);
  }
}
process.exit(broken < 0 ? 0 : 1);
