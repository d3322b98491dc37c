/**
 * The commands a person types: `p2pebt COMMAND`. Whatever a person got wrong, a file's content included, is one message
 * (what, where, what to do) and exit code 2, with nothing started; 1 is for `ledger verify` on a ledger that does not hold. The parts behind `run`, `ledger` and `simulate` load only when used.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { COMMAND } from './adapters/invocation.ts';
import { BusError } from './adapters/mqtt-bus.ts';
import { SecretFileError } from './adapters/secret-file.ts';
import { LedgerError } from './adapters/sqlite-ledger.ts';
import { summary } from './commands/check.ts';
import { UsageError } from './commands/errors.ts';
import { type InitOptions, init } from './commands/init.ts';
import type { Change, MemberData, MemberOptions } from './commands/member.ts';
import { type Config, readConfig } from './config.ts';
import { LEGEND } from './simulate/legend.ts';
import { ScenarioError } from './simulate/scenario.ts';

const WRONG_USE = 2;
/** Errors whose message is meant for the person at the keyboard; any other is a bug and keeps its stack. */
const REFUSALS = [UsageError, BusError, LedgerError, ScenarioError, SecretFileError];

/** Runs one command and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await program().parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : WRONG_USE; // commander has printed it (or the help) already
    } else if (REFUSALS.some((refusal) => error instanceof refusal)) {
      console.error((error as Error).message);
      process.exitCode = WRONG_USE;
    } else throw error;
  }
}

function program(): Command {
  const { version, description } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const p2pebt = new Command(COMMAND)
    .description(description)
    .version(version)
    .exitOverride()
    .showHelpAfterError(`(${COMMAND} --help, or ${COMMAND} COMMAND --help)`)
    .configureHelp({ showGlobalOptions: false });
  const command = (parent: Command, usage: string, text: string) => parent.command(usage).description(text);

  command(p2pebt, 'init <DIR>', 'make a key and a commented configuration for a new node')
    .option('--name <NAME>', "the node's name in the neighbourhood (default: the machine's)")
    .option('--head-meter', 'for the head meter instead of a charge point')
    .action((dir: string, options: InitOptions) => print(init(dir, options)));

  configured(command(p2pebt, 'check', 'find every problem of a configuration, without touching hardware')).action(
    ({ config }: { config: string }) => print(summary(configOrRefuse(config))),
  );

  configured(command(p2pebt, 'run', 'run the controller until it is stopped (SIGINT, SIGTERM)')).action(
    async ({ config }: { config: string }) => {
      const checked = configOrRefuse(config);
      const { runController } = await import('./main.ts');
      await runController(checked);
    },
  );

  const ledger = command(p2pebt, 'ledger', 'look at a ledger, also while its node runs');
  command(ledger, 'verify <FILE>', 're-check every signature, hash, lambda and vote').action(async (file: string) => {
    const { verifyLedger } = await import('./ledger-report.ts');
    const { ok, lines } = verifyLedger(file);
    print(lines);
    if (!ok) process.exitCode = 1;
  });
  command(ledger, 'show <FILE>', 'list the blocks, orders and settlements')
    .option('--json', 'as JSON')
    .action(async (file: string, { json = false }: { json?: boolean }) => {
      const { showLedger } = await import('./ledger-report.ts');
      print(showLedger(file, { json }));
    });

  const member = command(p2pebt, 'member', 'who takes part: let charge points in, out, or have them change keys');
  command(member, 'key <FILE>', "make the registrar's key").action(async (file: string) => {
    const { makeRegistrar } = await import('./commands/member.ts');
    print(makeRegistrar(file));
  });
  const asRegistrar = (parent: Command): Command =>
    parent
      .requiredOption('--config <FILE>', 'the configuration of any node, for neighbourhood and broker')
      .requiredOption('--key <FILE>', "the registrar's key");
  const line = (text: string): void => print([text]);
  asRegistrar(command(member, 'list', 'list the members as the chain has them')).action(
    async (options: MemberOptions) => {
      const { listMembers } = await import('./commands/member.ts');
      await listMembers(options, line);
    },
  );
  const watts = (text: string): number => {
    if (!/^\d+$/.test(text)) throw new InvalidArgumentError('write whole watts, such as 11000');
    return Number(text);
  };
  const rating = (parent: Command): Command =>
    parent
      .addOption(new Option('--kind <KIND>', 'its connector').choices(['slow', 'fast', 'rapid']))
      .option('--charge-w <W>', 'what it may draw, AC', watts)
      .option('--discharge-w <W>', 'what it may feed back, 0 for none', watts)
      .option('--safe-share-w <W>', 'what it may draw without any agreement', watts);
  const changes: [Change, string, (parent: Command) => Command][] = [
    [
      'add',
      'let a new charge point in',
      (parent) =>
        rating(parent)
          .option('--public-key <HEX>', 'printed by p2pebt init at it')
          .option('--operator <NAME>', 'who runs it, where one runs several'),
    ],
    ['remove', 'let a charge point go', (parent) => parent],
    ['rotate', 'give a node a new key', (parent) => parent.option('--public-key <HEX>', 'the new one')],
    ['rate', 'change what a charge point may draw and feed back', rating],
  ];
  for (const [change, text, withFlags] of changes)
    withFlags(asRegistrar(command(member, `${change} <NAME>`, text))).action(
      async (name: string, { chargeW, dischargeW, safeShareW, ...rest }: MemberFlags) => {
        const { changeMembers } = await import('./commands/member.ts');
        const data = { ...rest, charge_W: chargeW, discharge_W: dischargeW, safeShare_W: safeShareW };
        await changeMembers(change, name, data, rest, line);
      },
    );

  command(p2pebt, 'simulate <FILE...>', 'replay scenarios of orders and loads, and compare rules')
    .addOption(
      new Option('--rule <RULE>', 'how schedules are made').choices(['plan', 'eq11', 'spread', 'once']).default('plan'),
    )
    .option(
      '--json <OUT>',
      'write decisions and figures to this file: {"executed":[{"id","round"},...],...}, several files a list of these, in their order',
    )
    .addHelpText('after', `\n${LEGEND.join('\n')}`)
    .action(async (files: string[], options: { rule: 'plan' | 'eq11' | 'spread' | 'once'; json?: string }) => {
      const { simulateCommand } = await import('./simulate/command.ts');
      simulateCommand(files, options);
    });
  return p2pebt;
}

interface MemberFlags extends MemberOptions, Omit<MemberData, 'charge_W' | 'discharge_W' | 'safeShare_W'> {
  readonly chargeW?: number;
  readonly dischargeW?: number;
  readonly safeShareW?: number;
}

/** Asked for after the flags have been read: a flag that does not exist is told first, commander would tell it last. */
const configured = (command: Command): Command =>
  command.option('--config <FILE>', 'the configuration (required)').hook('preAction', () => {
    if (command.opts().config === undefined) command.error("error: required option '--config <FILE>' not specified");
  });

function configOrRefuse(file: string): Config {
  const result = readConfig(file);
  if (result.ok) return result.config;
  const { problems } = result;
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  throw new UsageError([...problems.map(({ text }) => text), `${count}; nothing was started.`].join('\n'));
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}
