/**
 * `p2pebt member`: the registrar's word on who takes part. It follows the chain for as long as it takes to say one change
 * and to see it agreed; the change takes effect three rounds later, at every node, without anybody restarting.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { millis } from '../../hal/units.ts';
import { createQuickVerify, createVerify } from '../adapters/ed25519.ts';
import { createGate } from '../adapters/gate.ts';
import { createKeyFile, loadKeyFile } from '../adapters/key-file.ts';
import { connectBus } from '../adapters/mqtt-bus.ts';
import { scaledClock } from '../adapters/scaled-clock.ts';
import { sha256 } from '../adapters/sha256.ts';
import { openLedger } from '../adapters/sqlite-ledger.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { counterFile, openVoteCounter } from '../adapters/vote-counter.ts';
import { brokerAccess, readAccess } from '../config.ts';
import type { ConnectorKind } from '../protocol/genesis.ts';
import { amend } from '../protocol/membership.ts';
import type { Amendment, RegistryChange, Signed } from '../protocol/messages.ts';
import { type Member, makeRegistry, type Registry } from '../protocol/registry.ts';
import { hours } from '../protocol/round.ts';
import { registryOf } from '../protocol/state.ts';
import { createRuntime, type Runtime } from '../runtime.ts';
import { UsageError } from './errors.ts';

export interface MemberOptions {
  /** Configuration of any node: neighbourhood and broker are read from it. */
  readonly config: string;
  /** The registrar's key. */
  readonly key: string;
}
/** What is said of a node; which of these are needed depends on the change. */
export interface MemberData {
  readonly publicKey?: string;
  readonly kind?: ConnectorKind;
  readonly charge_W?: number;
  readonly discharge_W?: number;
  readonly safeShare_W?: number;
  readonly operator?: string;
}
export type Change = 'add' | 'remove' | 'rotate' | 'rate';

/** Makes the registrar's key. Returns what to write into the neighbourhood file. */
export function makeRegistrar(file: string): string[] {
  const publicKey = Buffer.from(createKeyFile(file).publicKey).toString('hex');
  return [
    `${file}: the key of the registrar. Who has it decides who takes part: keep it off the charge points.`,
    '',
    'Add to the nodes of the neighbourhood file, before the first start (the same file at every node):',
    '  - name: registrar',
    `    publicKey: ${publicKey}`,
    '    role: registrar',
    '    safeShare_W: 0',
  ];
}

/** The members as the chain has them now, a line each. */
export async function listMembers(options: MemberOptions, print: (line: string) => void): Promise<void> {
  await withChain(options, async (runtime) => {
    const registry = registryOf(runtime.state);
    print(`epoch ${registry.epoch}: ${registry.n} voters, a quorum is ${registry.q}, ${registry.f} may be faulty`);
    for (const [index, member] of registry.members.entries()) print(describe(registry, member, index));
  });
}

/** Says one change and waits until it is agreed. @throws UsageError for a change that the neighbourhood would refuse. */
export async function changeMembers(
  change: Change,
  name: string,
  data: MemberData,
  options: MemberOptions,
  print: (line: string) => void,
): Promise<void> {
  await withChain(options, async (runtime, agreed) => {
    const { registry, handover } = runtime.state.finalNode.state;
    if (handover !== null)
      throw new UsageError('another change is under way; it takes four rounds. Try again after that');
    const node = registry.members.findIndex((member) => member.name === name && member.standing !== 'left');
    if (change !== 'add' && node < 0)
      throw new UsageError(
        `${name}: no member of that name; ${registry.members.map((each) => each.name).join(', ')} are`,
      );
    const body: RegistryChange = {
      type: 'REGISTRY',
      number: registry.changes + 1,
      amendments: [amendmentOf(change, name, node, data)],
    };
    const next = amend(registry, { sender: registry.registrar, body } as Signed<RegistryChange>, sha256);
    if (typeof next === 'string') throw new UsageError(`refused: ${next}`);
    runtime.feed({ kind: 'change', change: body });
    print('said; waiting for the neighbourhood to agree (one round, two if one fails)');
    print(await agreed);
    if (change === 'add') {
      const { connector } = next.members[next.members.length - 1];
      print('A line of its own in the configuration of the new charge point:');
      print(
        `joins: { member: ${next.members.length - 1}, kind: ${connector?.kind}, charge_W: ${connector?.charge_W}, discharge_W: ${connector?.discharge_W}, safeShare_W: ${data.safeShare_W} }`,
      );
    }
    if (change === 'rotate')
      print(`At ${name}: write the new key's file as nextKey into its configuration, beside key, and restart it now.`);
    print('It takes effect three rounds from now.');
  });
}

function amendmentOf(op: Change, name: string, node: number, data: MemberData): Amendment {
  const need = <K extends keyof MemberData>(key: K, flag: string): NonNullable<MemberData[K]> => {
    const value = data[key];
    if (value === undefined) throw new UsageError(`${op} ${name}: ${flag} is missing`);
    return value;
  };
  const publicKey = (): string => {
    const text = need('publicKey', '--public-key').toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(text))
      throw new UsageError(`--public-key ${text}: write the 64 hexadecimal digits that p2pebt init printed`);
    return text;
  };
  const rating = () => ({
    connector: {
      kind: need('kind', '--kind'),
      charge_W: need('charge_W', '--charge-w'),
      discharge_W: need('discharge_W', '--discharge-w'),
    },
    safeShare_W: need('safeShare_W', '--safe-share-w'),
  });
  switch (op) {
    case 'add':
      return { op, name, publicKey: publicKey(), ...(data.operator && { operator: data.operator }), ...rating() };
    case 'remove':
      return { op, node };
    case 'rotate':
      return { op, node, publicKey: publicKey() };
    case 'rate':
      return { op, node, ...rating() };
  }
}

const describe = ({ isValidator, mayTrade }: Registry, member: Member, index: number): string => {
  const votes = isValidator[index] ? 'votes' : member.standing === 'in' ? 'no vote' : member.standing;
  const rated = member.connector
    ? `${member.connector.kind}, ${member.connector.charge_W} W, safe share ${member.safeShare_W} W`
    : '';
  return `  ${String(index).padStart(4)}  ${member.name.padEnd(20)} ${member.role.padEnd(13)} ${votes.padEnd(8)} ${rated}${mayTrade[index] || member.connector === undefined ? '' : ' (may not trade)'}`;
};

/** How far a follower may be behind the round being decided and still know who the members are. */
const BEHIND_ROUNDS = 2;
const LOOKS_EACH_WALL_ms = 100;
/** A node answers a peer once a delta. */
const QUIET_DELTAS = 2;
/** Of the chain's rounds, with nothing heard. */
const PATIENCE_ROUNDS = 3;

/**
 * Follows the chain from its first block, in a ledger of the moment, and lets `use` act when it is there. `agreed` tells what the
 * next hand-over changes.
 */
async function withChain(
  { config: file, key }: MemberOptions,
  use: (runtime: Runtime, agreed: Promise<string>) => Promise<void>,
): Promise<void> {
  const { neighbourhood, broker, clock: bench } = readAccess(file);
  const clock = bench ? scaledClock(bench) : systemClock;
  const registry = makeRegistry(neighbourhood, sha256);
  const signer = loadKeyFile(key);
  const own = Buffer.from(signer.publicKey).toString('hex');
  const self = registry.members.findIndex(({ role, publicKey }) => role === 'registrar' && publicKey === own);
  if (self < 0) throw new UsageError(`${key}: not the key of a registrar of ${neighbourhood.microgrid} (${own})`);
  const { name } = registry.members[self];
  const folder = mkdtempSync(join(tmpdir(), 'p2pebt-registrar-'));
  const identity = { publicKey: signer.publicKey, genesisHash: Buffer.from(registry.genesis, 'hex') };
  const ledger = openLedger(join(folder, 'ledger.sqlite'), identity, openVoteCounter(counterFile(key)));
  const bus = connectBus({ ...brokerAccess(broker), microgrid: neighbourhood.microgrid, node: name });
  let told = (_text: string): void => undefined; // what was agreed before is no answer to what is said now
  const runtime = createRuntime(
    {
      registry,
      self,
      name,
      hash: sha256,
      clock,
      bus,
      ledger,
      signers: [signer],
      gate: createGate(registry, sha256, createVerify(), createQuickVerify()),
      solve: () => null,
    },
    {
      note({ code, text }) {
        if (code === 'members' && text.includes('is agreed')) told(text);
      },
    },
  );
  try {
    await bus.firstConnection;
    runtime.start();
    await caughtUp(runtime, neighbourhood.roundTime_s, clock.scale);
    const agreed = new Promise<string>((resolve) => {
      told = resolve;
    });
    await use(runtime, agreed);
  } finally {
    runtime.stop();
    await bus.close();
    ledger.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Resolves when the follower knows the last rounds and nothing more comes: a page of catch-up ends where the members change, and
 * what follows is asked for then. @throws UsageError when nobody tells it anything.
 */
function caughtUp(runtime: Runtime, roundTime_s: number, scale: number): Promise<void> {
  const until = performance.now() + (PATIENCE_ROUNDS * roundTime_s * 1000) / scale;
  const quiet_ms = (QUIET_DELTAS * hours(roundTime_s).delta_ms) / scale;
  let height = -1;
  let rose = 0;
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      const { deciding, finalNode } = runtime.state;
      const now = performance.now();
      if (finalNode.state.height > height) rose = now;
      height = finalNode.state.height;
      const known = deciding > 0 && finalNode.state.scheduleRound >= deciding - BEHIND_ROUNDS;
      const there = known && now >= rose + quiet_ms;
      if (!there && now < until) return;
      clearInterval(timer);
      if (there) resolve();
      else
        reject(
          new UsageError(
            height > 0
              ? `the last ${BEHIND_ROUNDS} rounds were not agreed: look at the charge points, and try again when they trade`
              : `no chain was heard in ${PATIENCE_ROUNDS} rounds: are the charge points running?`,
          ),
        );
    }, millis(LOOKS_EACH_WALL_ms));
  });
}
