/**
 * `npm run explore`: every run of the real core over the first views of a decision, four voters, one of them malicious
 * (explore.ts). Two views take about half a minute and 300 MB for all three places of the malicious leader, three or
 * more do not end. Exit code 1 on a violation, with a shortest run that leads to it, and where it was stopped before the end.
 */
import { parseArgs } from 'node:util';
import { explore } from './explore.ts';

const USAGE = `npm run explore -- [--views N] [--leads N,..] [--deadline] [--most N]
  --views     how many views of the decision (2)
  --leads     which of them the malicious node leads, 0 the first, N none of N (0 to N, one after the other)
  --deadline  nodes may also reach T_act, at any time
  --most      stop after so many states (16,000,000)`;

const { values } = parseArgs({
  options: {
    views: { type: 'string', default: '2' },
    leads: { type: 'string' },
    deadline: { type: 'boolean', default: false },
    most: { type: 'string', default: '16000000' },
    help: { type: 'boolean', default: false },
  },
});

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  console.error(`--${name} ${text}: not a whole number from ${least} to ${most}\n${USAGE}`);
  process.exit(2);
}

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const views = whole('views', values.views, 1, 4);
const most = whole('most', values.most, 1, 2 ** 28);
const leads =
  values.leads?.split(',').map((text) => whole('leads', text, 0, views)) ??
  Array.from({ length: views + 1 }, (_, view) => view);
const figure = (value: number): string => value.toLocaleString('en-US').padStart(12);

console.log('M leads      states transitions  depth  node states  steps of the core    CPU');
let everyState = true;
for (const view of leads) {
  const before = process.cpuUsage();
  const found = explore({ views, leads: view, deadline: values.deadline, most });
  const { user, system } = process.cpuUsage(before);
  const { states, transitions, depth, localStates, steps, complete, violation } = found;
  const name = view < views ? `view ${view}` : 'none';
  const seconds = `${((user + system) / 1e6).toFixed(1)} s`.padStart(9);
  console.log(
    `${name.padEnd(7)}${figure(states)}${figure(transitions)}${String(depth).padStart(7)}${figure(localStates)} ${figure(steps)}  ${seconds}`,
  );
  if (violation !== null) {
    console.log(`\n${violation.text}. The shortest run to it:\n${violation.run.join('\n')}`);
    process.exit(1);
  }
  if (!complete) console.log(`        stopped at ${states} states (--most ${most})`);
  everyState &&= complete;
}
console.log(
  everyState ? 'I1, I2 and I8 hold in every state.' : 'I1, I2 and I8 hold in every state visited; there are more.',
);
process.exitCode = everyState ? 0 : 1;
