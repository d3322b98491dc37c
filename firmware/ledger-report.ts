/**
 * `p2pebt ledger verify` and `ledger show`: the chain of a ledger replayed from the first block. Verify trusts
 * nothing in the file but the neighbourhood it names: it re-checks every signature, hash, lambda, limit and vote.
 */
import { createVerify } from './adapters/ed25519.ts';
import { createGate, type Gate } from './adapters/gate.ts';
import { sha256 } from './adapters/sha256.ts';
import { LedgerError, readLedger } from './adapters/sqlite-ledger.ts';
import {
  type Chronicle,
  emptyChronicle,
  fluctuation,
  outcomes,
  powerOf,
  record,
  unbalanced,
  unsettledRounds,
} from './chronicle.ts';
import type { FinalBlock } from './ports.ts';
import { applyBlock } from './protocol/block.ts';
import { openVotes, votesOf } from './protocol/certificate.ts';
import { genesisState, isRefusal } from './protocol/chain.ts';
import { decode, toHex } from './protocol/codec.ts';
import type { Neighbourhood } from './protocol/genesis.ts';
import type { Block, Signed } from './protocol/messages.ts';
import { makeRegistry, type Registry } from './protocol/registry.ts';
import { isFinalCertificate } from './protocol/step.ts';

export interface Replay {
  readonly registry: Registry;
  readonly chronicle: Chronicle;
  /** The first thing that does not hold, in words; null when everything does. */
  readonly fault: string | null;
}

/** Replays the blocks; with `verify` everything is re-checked, otherwise only read. */
export function replay(registry: Registry, blocks: readonly FinalBlock[], verify: boolean): Replay {
  const gate = createGate(registry, sha256, verify ? createVerify() : () => true);
  const chronicle = emptyChronicle();
  let chain = genesisState(registry);
  let uncertified = 0;
  const fail = (height: number, what: string): Replay => ({ registry, chronicle, fault: `block ${height}: ${what}` });
  for (const [index, row] of blocks.entries()) {
    const opened = openBlock(gate, row, verify);
    if (typeof opened === 'string') return fail(row.height, opened);
    if (row.height !== chain.height + 1) return fail(row.height, `it follows block ${chain.height}`);
    if (opened.id !== toHex(row.hash)) return fail(row.height, 'its hash is not that of its bytes');
    if (opened.round !== row.round) return fail(row.height, `it is of round ${opened.round}, not ${row.round}`);
    const next = applyBlock(chain, opened, registry, sha256);
    if (isRefusal(next)) return fail(row.height, `${next.code}, ${next.detail}`);
    chain = next;
    uncertified += 1;
    if (row.certificate !== null) {
      const votes = verifiedVotes(gate, row.certificate, verify);
      if (typeof votes === 'string') return fail(row.height, votes);
      if (!isFinalCertificate({ registry }, opened, votes))
        return fail(row.height, 'its FINAL votes are not those of a quorum');
      uncertified = 0;
    }
    record(chronicle, opened, chain, votesOf(blocks, index));
  }
  const fault = uncertified > 0 ? `the last ${uncertified} blocks have no FINAL votes of a quorum behind them` : null;
  return { registry, chronicle, fault };
}

function openBlock(gate: Gate, row: FinalBlock, verify: boolean): Signed<Block> | string {
  const message = openChecked(gate, row.message, verify);
  if (typeof message === 'string') return message;
  return message.body.type === 'PROPOSE' ? (message as Signed<Block>) : `it is a ${message.body.type}`;
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
  readonly blocks: readonly FinalBlock[];
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
    return { registry, name: registry.neighbourhood.nodes[index]?.name ?? 'unknown', blocks: ledger.load().blocks };
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
  const { registry, name, blocks } = openForReport(file);
  const verified = replay(registry, blocks, true);
  const wrong = wrongs(verified);
  const { chronicle } = verified;
  const last = chronicle.blocks[chronicle.blocks.length - 1];
  const head = last ? `block ${last.height} of round ${last.round}, ${last.hash.slice(0, 16)}` : 'no block yet';
  const lines = [`${file}: ledger of ${name} in ${registry.neighbourhood.microgrid}, ${head}`];
  if (wrong.length > 0) return { ok: false, lines: [...lines, ...wrong.map((text) => `WRONG  ${text}`)] };
  return {
    ok: true,
    lines: [...lines, `${blocks.length} blocks: every signature, hash, limit, lambda and vote holds`],
  };
}

/** What `ledger show --json` prints, and what the bench sums up. Energy in whole Wh. */
export function report(registry: Registry, chronicle: Chronicle, decidedUpTo: number) {
  const { roundTime_s, nodes } = registry.neighbourhood;
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
    blocks: chronicle.blocks.map((row) => ({ ...row, author: nodes[row.author].name })),
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
  const { registry, name, blocks } = openForReport(file);
  const { chronicle } = replay(registry, blocks, false);
  const shown = report(registry, chronicle, -1);
  if (json) return [JSON.stringify(shown)];
  const row = (cells: readonly (string | number)[]): string =>
    cells.map((cell, i) => (i === 1 || i === 3 ? String(cell).padEnd(10) : String(cell).padStart(8))).join('  ');
  const cbrt = (pf: { cbrt: number } | null): string => (pf === null ? 'not yet known' : `${pf.cbrt.toFixed(1)} kW/h`);
  return [
    `Ledger of ${name} in ${shown.microgrid}: ${shown.committed} rounds committed, ${shown.terminated} terminated`,
    row(['height', 'kind', 'round', 'author', 'votes', 'orders', 'lambda']),
    ...shown.blocks.map((b) => row([b.height, b.kind, b.round, b.author, b.votes, b.orders, b.lambda ?? ''])),
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
