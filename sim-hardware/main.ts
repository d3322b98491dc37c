/** `npm start`: the bench neighbourhood from the command line, with its page and a progress a person can follow. */
import { Command, InvalidArgumentError } from 'commander';
import { COMMAND, typed } from '../firmware/adapters/invocation.ts';
import { UsageError } from '../firmware/commands/errors.ts';
import { energyInWords } from '../firmware/ledger-report.ts';
import { PageError, startPageServer } from '../firmware/page/server.ts';
import { emptyChain, type NeighbourhoodView } from '../firmware/page/view.ts';
import { type Bench, type BenchOptions, type Invitation, type Summary, startBench } from './bench.ts';
import { preflight } from './preflight.ts';
import { count, newsTeller, statusLine } from './progress.ts';

interface Flags {
  readonly nodes: number;
  readonly rounds?: number;
  readonly spare: number;
  readonly seed: number;
  readonly scale?: number;
  readonly broker?: string;
  readonly port: number;
  readonly dir?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const whole =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`write a whole number, ${least} to ${most}.`);
  };

const positive = (text: string): number => {
  const value = Number(text);
  // Beyond this the wires, which do not run faster, make every meter a slow one, and charging stays in the safe share.
  if (value >= 1 && value <= 100) return value;
  throw new InvalidArgumentError('write a number, 1 (real time) to 100.');
};

const brokerUrl = (text: string): string => {
  if (/^mqtts?:\/\/[^/@\s]+$/.test(text)) return text;
  throw new InvalidArgumentError('write mqtt://HOST:PORT.');
};

function readFlags(): Flags {
  return new Command('npm start --')
    .description('A neighbourhood of charge points that trades on simulated hardware, on this machine.')
    .option('--nodes <N>', 'controllers: charge points and one head meter', whole(5, 41), 5)
    .option('--rounds <N>', 'stop after so many decided rounds (default: run until Ctrl-C)', whole(1, 100_000))
    .option(
      '--spare <N>',
      'charge points with wires and a vehicle that are no members yet, to let in by hand',
      whole(0, 4),
      0,
    )
    .option('--seed <N>', 'of the world: vehicles, households, faults', whole(0, 2 ** 31), 1)
    .option('--scale <N>', 'seconds of the bench a second of the wall (default: 30, less with many nodes)', positive)
    .option('--broker <URL>', 'an MQTT broker of yours instead of the embedded one', brokerUrl)
    .option('--port <N>', 'of the page; 0 takes a free one', whole(0, 65_535), 8080)
    .option('--dir <DIR>', 'keep keys, configurations, ledgers and logs here (default: a temporary folder)')
    .option('--json', 'print the summary as one JSON object, as the last line')
    .option('--quiet', 'no progress')
    .addHelpText(
      'after',
      '\nExamples:\n  npm start\n  npm start -- --rounds 12 --json\n  npm start -- --nodes 20 --port 0',
    )
    .showHelpAfterError('(npm start -- --help)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .parse()
    .opts<Flags>();
}

/** A machine of two cores follows about 150 controller-seconds a second. */
const defaultScale = (nodes: number): number => Math.max(4, Math.min(30, Math.floor(180 / nodes)));

async function main(): Promise<void> {
  const flags = readFlags();
  const live = process.stderr.isTTY && !flags.quiet;
  // In a terminal the line that lives between the others gives way to each of them.
  const clear = live ? '\r\x1b[K' : '';
  const say = flags.quiet ? () => undefined : (line: string) => process.stderr.write(`${clear}${line}\n`);
  const options: BenchOptions = {
    nodes: flags.nodes,
    spares: flags.spare,
    seed: flags.seed,
    scale: flags.scale ?? defaultScale(flags.nodes),
    ...(flags.broker !== undefined && { broker: flags.broker }),
    ...(flags.dir !== undefined && { directory: flags.dir }),
  };
  await preflight(options);
  let bench: Bench | undefined;
  const empty: NeighbourhoodView = {
    title: 'Bench neighbourhood',
    chain: emptyChain(''),
    nodes: [],
  };
  const page = await startPageServer({ host: '127.0.0.1', port: flags.port, view: () => bench?.view() ?? empty });
  say(`The page: ${page.url}`);
  const pace = options.scale === 1 ? 'in real time' : `${options.scale} times faster than the wall`;
  say(`Starting ${flags.nodes} controllers, ${pace} ...`);

  const done = Promise.withResolvers<void>();
  let asked = false;
  const ask = (): void => {
    asked = true;
    done.resolve();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask);
  process.on('disconnect', ask);
  try {
    bench = await startBench(options);
  } catch (error) {
    await page.close();
    if (!asked) throw error;
    say('Stopped before it was up.'); // Ctrl-C reaches the controllers too, wherever they are in starting
    if (process.connected) process.disconnect?.();
    return;
  }
  for (const invitation of bench.invitations) for (const line of invite(invitation)) say(line);
  const news = newsTeller();
  bench.onView((view) => {
    page.changed();
    for (const line of news(view)) say(line);
    const status = statusLine(view, options.scale, process.stderr.columns || 80);
    if (live && !asked && status !== null) process.stderr.write(`${clear}${status}`);
    const { committed, terminated } = view.chain.totals;
    if (flags.rounds !== undefined && committed + terminated >= flags.rounds) done.resolve();
  });
  await Promise.race([done.promise, bench.gone]);
  say('Stopping: opening every contact ...');
  const summary = await bench.stop();
  await page.close();
  tell(summary, flags, say);
  const failed = summary.violations.length > 0 || (flags.rounds !== undefined && summary.rounds.committed === 0);
  process.exitCode = failed ? 1 : 0;
  if (process.connected) process.disconnect?.();
}

function* invite({ name, add, configuration, run }: Invitation): Generator<string> {
  const command = (words: readonly string[]): string => `  ${COMMAND} ${words.map(typed).join(' ')}`;
  yield `${name} has wires and a vehicle, and is no member. In another terminal, let it in:`;
  yield command(add);
  yield `append the line that this prints to ${configuration}, and start its controller:`;
  yield command(run);
}

function tell(summary: Summary, flags: Flags, say: (line: string) => void): void {
  const { rounds, cbrtPf, energy_Wh, unsettledRounds, violations } = summary;
  say(`${count(rounds.committed, 'round')} committed, ${rounds.terminated} terminated, in ${summary.wall_s} s`);
  const { ordered, allocated, metered, unordered } = energy_Wh;
  const energy = { ordered_Wh: ordered, allocated_Wh: allocated, metered_Wh: metered, unordered_Wh: unordered };
  say(`energy: ${energyInWords({ ...energy, unsettled_rounds: unsettledRounds })}`);
  if (cbrtPf) {
    const change = `${Math.abs(cbrtPf.reduction_percent).toFixed(1)} % ${cbrtPf.reduction_percent >= 0 ? 'lower' : 'higher'}`;
    say(
      `cube root of PF: ${cbrtPf.with.toFixed(1)} kW/h with the trade, ${cbrtPf.without.toFixed(1)} without: ${change}`,
    );
  }
  for (const violation of violations) say(`VIOLATION  ${violation}`);
  if (flags.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
}

main().catch((error: Error) => {
  const usage = error instanceof UsageError || error instanceof PageError;
  const flag = error instanceof PageError && error.setting === 'port' ? '--port ' : '';
  process.stderr.write(`p2pebt bench: ${flag}${error.message}\n`);
  process.exit(usage ? 2 : 1);
});
