/**
 * `p2pebt ledger verify` and `ledger show`: the chain of a ledger replayed, from the first block or the checkpoint under
 * the oldest kept one. Verify trusts nothing in the file but the neighbourhood it names: it re-checks every signature,
 * hash, lambda, limit and vote, and the proof of every checkpoint.
 */
import { createVerify } from './adapters/ed25519.ts';
import { createGate, type Gate } from './adapters/gate.ts';
import { sha256 } from './adapters/sha256.ts';
import { type KeptChain, LedgerError, readLedger } from './adapters/sqlite-ledger.ts';
import {
  type Chronicle,
  emptyChronicle,
  fluctuation,
  outcomes,
  powerOf,
  record,
  takeUp,
  unbalanced,
  unsettledRounds,
} from './chronicle.ts';
import type { FinalBlock, Past } from './ports.ts';
import { applyBlock } from './protocol/block.ts';
import { openVotes, votesOf } from './protocol/certificate.ts';
import { type ChainState, genesisState, isRefusal } from './protocol/chain.ts';
import { openCheckpoint } from './protocol/checkpoint.ts';
import { decode, toHex } from './protocol/codec.ts';
import type { Neighbourhood } from './protocol/genesis.ts';
import { everyone, type Members, membersOf } from './protocol/members.ts';
import { type Sets, setsOf } from './protocol/membership.ts';
import type { Block, Signed } from './protocol/messages.ts';
import { makeRegistry, type Registry } from './protocol/registry.ts';
import { isFinalCertificate } from './protocol/step.ts';

export interface Replay {
  readonly registry: Registry;
  readonly chronicle: Chronicle;
  /** The first thing that does not hold, in words; null when everything does. */
  readonly fault: string | null;
  /** Height under the first block that was replayed: 0, or that of a checkpoint. */
  readonly base: number;
  readonly blocks: number;
}

/**
 * Replays the blocks from the first one on, or from the oldest checkpoint above which none is missing; with `verify`
 * everything is re-checked, the proofs of all checkpoints too, otherwise only read.
 */
export function replay(registry: Registry, kept: KeptChain, verify: boolean, past: Past | null = null): Replay {
  const gate = createGate(registry, sha256, verify ? createVerify() : () => true);
  const chronicle = emptyChronicle();
  const { base, blocks } = unbroken(kept);
  const fail = (what: string): Replay => ({ registry, chronicle, fault: what, base, blocks: blocks.length });

  let chain = genesisState(registry);
  /** Whoever the checkpoints so far prove to be the members. */
  let known: Members = chain;
  for (const { height, state, proof } of kept.checkpoints) {
    if (!verify && height !== base) continue;
    const run = proof.length > 0 ? proof : kept.blocks.filter((block) => block.height > height);
    if (run[0]?.height !== height + 1) return fail(`checkpoint at height ${height}: nothing proves it`);
    gate.follow(known);
    const proven = provenState(known, gate, state, run, verify);
    if (typeof proven === 'string') return fail(`checkpoint at height ${height}: ${proven}`);
    if (proven.height !== height)
      return fail(`checkpoint at height ${height}: its state is of height ${proven.height}`);
    known = proven;
    if (height === base) chain = proven;
  }
  if (past !== null) takeUp(chronicle, past);
  let uncertified = 0;
  for (const [index, row] of blocks.entries()) {
    const wrong = (what: string): Replay => fail(`block ${row.height}: ${what}`);
    gate.follow(chain);
    const opened = openBlock(gate, row, verify);
    if (typeof opened === 'string') return wrong(opened);
    if (row.height !== chain.height + 1) return wrong(`it follows block ${chain.height}`);
    const next = applyBlock(chain, opened, sha256);
    if (isRefusal(next)) return wrong(`${next.code}, ${next.detail}`);
    uncertified += 1;
    if (row.certificate !== null) {
      const why = refuseCertificate(setsOf(chain), gate, opened, row.certificate, verify);
      if (why !== null) return wrong(why);
      uncertified = 0;
    }
    record(chronicle, { block: opened, before: chain, state: next, votes: votesOf(blocks, index) });
    chain = next;
  }
  if (uncertified > 0) return fail(`the last ${uncertified} blocks have no FINAL votes of a quorum behind them`);
  return { registry, chronicle, fault: null, base, blocks: blocks.length };
}

/**
 * The blocks since this node last began at a checkpoint (the older ones are of another stretch of the chain), and the
 * height under them: 0, or that of the oldest checkpoint that they stand on.
 */
function unbroken({ checkpoints, blocks }: KeptChain): {
  readonly base: number;
  readonly blocks: readonly FinalBlock[];
} {
  const heights = new Set(checkpoints.map(({ height }) => height));
  const jump = blocks.findLastIndex(({ height }, i) => blocks[i - 1]?.height !== height - 1 && heights.has(height - 1));
  const whole = blocks.slice(Math.max(0, jump));
  const least = (whole[0]?.height ?? 1) - 1;
  const base = least === 0 ? 0 : (checkpoints.find(({ height }) => height >= least)?.height ?? 0);
  return { base, blocks: whole.filter(({ height }) => height > base) };
}

/** The state of a checkpoint, from the block that names it up to the first with FINAL votes; or what does not hold. */
function provenState(
  known: Members,
  gate: Gate,
  state: Uint8Array,
  run: readonly FinalBlock[],
  verify: boolean,
): ChainState | string {
  const proof = run.slice(0, run.findIndex(({ certificate }) => certificate !== null) + 1);
  const opened: Signed<Block>[] = [];
  for (const row of proof) {
    const block = openBlock(gate, row, verify);
    if (typeof block === 'string') return block;
    if (opened.length > 0 && block.body.parent !== opened[opened.length - 1].id) return 'its proof is no chain';
    opened.push(block);
  }
  const last = proof[proof.length - 1];
  if (last?.certificate == null) return 'nothing proves it';
  const members = membersOf(known, opened[0].epoch);
  if (members === null) return `nothing proves the members of epoch ${opened[0].epoch}`;
  const why = refuseCertificate([members], gate, opened[opened.length - 1], last.certificate, verify);
  if (why !== null) return why;
  const chain = openCheckpoint(state, opened[0], members, sha256);
  return isRefusal(chain) ? chain.detail : chain;
}

function refuseCertificate(
  sets: Sets,
  gate: Gate,
  block: Signed<Block>,
  certificate: Uint8Array,
  verify: boolean,
): string | null {
  const votes = verifiedVotes(gate, certificate, verify);
  if (typeof votes === 'string') return votes;
  return isFinalCertificate(sets, block, votes) ? null : 'its FINAL votes are not those of a quorum';
}

function openBlock(gate: Gate, row: FinalBlock, verify: boolean): Signed<Block> | string {
  const message = openChecked(gate, row.message, verify);
  if (typeof message === 'string') return message;
  if (message.body.type !== 'PROPOSE') return `it is a ${message.body.type}`;
  if (message.id !== toHex(row.hash)) return 'its hash is not that of its bytes';
  if (message.round !== row.round) return `it is of round ${message.round}, not ${row.round}`;
  return message as Signed<Block>;
}

function openChecked(gate: Gate, wire: Uint8Array, verify: boolean): Signed | string {
  if (!verify) return gate.reopen(wire);
  const admission = gate.examine(wire);
  return admission.verdict === 'accept' ? admission.message : `${admission.code}, ${admission.detail}`;
}

function verifiedVotes(gate: Gate, certificate: Uint8Array, verify: boolean): ReturnType<typeof openVotes> | string {
  if (!verify) return openVotes(certificate, gate);
  if (!Array.isArray(decode(certificate))) return 'its certificate is not a list of votes';
  const checked: Gate['reopen'] = (wire) => {
    const message = openChecked(gate, wire, true);
    if (typeof message === 'string') throw new Error(message);
    return message;
  };
  try {
    return openVotes(certificate, { reopen: checked });
  } catch (error) {
    return `a vote of its certificate: ${(error as Error).message}`;
  }
}

/** The fact under which a node keeps its neighbourhood beside the chain, so that a ledger can be read on its own. */
export const NEIGHBOURHOOD_FACT = 'neighbourhood';

interface OpenedLedger {
  readonly registry: Registry;
  readonly name: string;
  readonly chain: KeptChain;
  /** What remains of the blocks under those that can be replayed. */
  readonly past: Past;
}

/** @throws LedgerError also when the neighbourhood in the file is not the one that the ledger was begun for. */
export function openForReport(file: string): OpenedLedger {
  const ledger = readLedger(file);
  try {
    const kept = ledger.recall(NEIGHBOURHOOD_FACT);
    if (kept === undefined) throw new LedgerError('not-a-ledger', `${file}: no node has run on this ledger yet`);
    const registry = makeRegistry(JSON.parse(kept) as Neighbourhood, sha256);
    if (registry.genesis !== toHex(ledger.genesisHash)) {
      throw new LedgerError(
        'other-neighbourhood',
        `${file}: the neighbourhood kept in it is not the one it was begun for`,
      );
    }
    const index = registry.publicKeys.findIndex((key) => toHex(key) === toHex(ledger.publicKey));
    const chain = ledger.chain();
    return {
      registry,
      name: registry.neighbourhood.nodes[index]?.name ?? 'a node that joined',
      chain,
      past: ledger.past(unbroken(chain).base),
    };
  } finally {
    ledger.close();
  }
}

/** What does not hold in a ledger that was replayed with `verify`, in words. */
export const wrongs = ({ registry, chronicle, fault }: Replay): string[] => [
  ...(fault === null ? [] : [fault]),
  ...unbalanced(chronicle, registry),
];

export function verifyLedger(file: string): { ok: boolean; lines: string[] } {
  const { registry, name, chain } = openForReport(file);
  const verified = replay(registry, chain, true);
  const wrong = wrongs(verified);
  const { chronicle } = verified;
  const last = chronicle.blocks[chronicle.blocks.length - 1];
  const head = last ? `block ${last.height} of round ${last.round}, ${last.hash.slice(0, 16)}` : 'no block yet';
  const lines = [`${file}: ledger of ${name} in ${registry.neighbourhood.microgrid}, ${head}`];
  if (wrong.length > 0) return { ok: false, lines: [...lines, ...wrong.map((text) => `WRONG  ${text}`)] };
  const { base, blocks } = verified;
  const from = base === 0 ? '' : ` from height ${base + 1} on`;
  const older = chain.checkpoints.filter(({ height }) => height < base).length;
  lines.push(`${blocks} blocks${from}: every signature, hash, limit, lambda and vote holds`);
  if (base > 0)
    lines.push(
      `They stand on the checkpoint of height ${base}: its state is proven by the FINAL votes of a quorum, as are ${older} older ones; ` +
        'the blocks under it are pruned, and their orders and statements can no longer be checked one by one',
    );
  return { ok: true, lines };
}

/** What `ledger show --json` prints, and what the bench sums up. Energy in whole Wh. */
export function report(registry: Registry, chronicle: Chronicle, decidedUpTo: number) {
  const { roundTime_s } = registry.neighbourhood;
  const nodes = everyone(chronicle.state ?? { registry, handover: null });
  const power = powerOf(chronicle);
  const wh = (joules: number): number => Math.round(joules / 3600);
  return {
    microgrid: registry.neighbourhood.microgrid,
    height: chronicle.state?.height ?? 0,
    head: chronicle.state?.tip ?? null,
    ...outcomes(chronicle, decidedUpTo),
    pfWith: fluctuation(power, 'with_W', roundTime_s),
    pfWithout: fluctuation(power, 'without_W', roundTime_s),
    ordered_Wh: wh(chronicle.ordered_J),
    allocated_Wh: wh(chronicle.allocated_J),
    metered_Wh: wh(chronicle.metered_J),
    unordered_Wh: wh(chronicle.unordered_J),
    unsettled_rounds: unsettledRounds(chronicle),
    unbalanced: unbalanced(chronicle, registry),
    power,
    blocks: chronicle.blocks.map((row) => ({
      ...row,
      author: nodes[row.author].name,
      heldBack: row.heldBack.map(({ node, power_W }) => ({ node: nodes[node].name, power_W })),
    })),
    settlement: chronicle.settlement.map(({ ordered_J, allocated_J, metered_J, ...row }) => ({
      ...row,
      node: nodes[row.node].name,
      ordered_Wh: ordered_J / 3600,
      allocated_Wh: allocated_J / 3600,
      metered_Wh: metered_J / 3600,
    })),
  };
}

/** The three of the same orders, so that they compare, and what is not among them. */
export function energyInWords(
  energy: Pick<
    ReturnType<typeof report>,
    `${'ordered' | 'allocated' | 'metered' | 'unordered'}_Wh` | 'unsettled_rounds'
  >,
): string {
  const { ordered_Wh, allocated_Wh, metered_Wh, unordered_Wh, unsettled_rounds: open } = energy;
  return [
    `of the settled orders ${ordered_Wh} Wh ordered, ${allocated_Wh} Wh allocated, ${metered_Wh} Wh metered`,
    `${unordered_Wh} Wh more metered without an order (safe share)`,
    ...(open > 0 ? [`${open} ${open === 1 ? 'round' : 'rounds'} not settled yet`] : []),
  ].join('; ');
}

export function showLedger(file: string, { json }: { json: boolean }): string[] {
  const { registry, name, chain, past } = openForReport(file);
  const { chronicle } = replay(registry, chain, false, past);
  const shown = report(registry, chronicle, -1);
  if (json) return [JSON.stringify(shown)];
  const row = (cells: readonly (string | number)[]): string =>
    cells.map((cell, i) => (i === 1 || i === 3 ? String(cell).padEnd(10) : String(cell).padStart(8))).join('  ');
  const cbrt = (pf: { cbrt: number } | null): string => (pf === null ? 'not yet known' : `${pf.cbrt.toFixed(1)} kW/h`);
  return [
    `Ledger of ${name} in ${shown.microgrid}: ${shown.committed} rounds committed, ${shown.terminated} terminated`,
    row(['height', 'kind', 'round', 'author', 'votes', 'orders', 'lambda']),
    ...shown.blocks.flatMap((b) => [
      row([b.height, b.kind, b.round, b.author, b.votes, b.orders, b.lambda ?? '']),
      ...b.heldBack.map(({ node, power_W }) => `          held back for safety: ${power_W / 1000} kW of ${node}`),
    ]),
    '',
    row(['round', 'node', 'order', '', 'ordered', 'alloc.', 'metered Wh']),
    ...shown.settlement.map((s) =>
      row([
        s.round,
        s.node,
        s.order?.slice(0, 8) ?? '-',
        '',
        s.ordered_Wh.toFixed(0),
        s.allocated_Wh.toFixed(0),
        s.metered_Wh.toFixed(0),
      ]),
    ),
    '',
    `Energy: ${energyInWords(shown)}`,
    `Cube root of PF: with the trade ${cbrt(shown.pfWith)}, without ${cbrt(shown.pfWithout)}`,
  ];
}
