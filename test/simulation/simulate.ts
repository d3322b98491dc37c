/** One simulated run: a cluster, its weather, its checkers; and what came of it. The same seed gives the same result. */

import { sha256 } from '../../firmware/adapters/sha256.ts';
import { toHex } from '../../firmware/protocol/codec.ts';
import { Checkers, INVARIANTS, type Invariant, Violation } from './checkers.ts';
import { Cluster, type ClusterOptions, localOffset_s, type SimNode, type Watch } from './cluster.ts';
import { device } from './core.ts';
import type { Fault } from './faults.ts';
import { neighbourhoodOf } from './neighbourhood.ts';

export interface Report {
  readonly seed: number;
  readonly nodes: number;
  readonly faults: readonly Fault[];
  readonly rounds: number;
  /** Null, or the first invariant that broke. */
  readonly violation: { readonly invariant: string; readonly round: number; readonly text: string } | null;
  readonly finalInTime: number;
  readonly viewChanges: number;
  /** Liars against whom there is proof. */
  readonly convicted: number;
  /** After a fork (I1): nodes of which two messages prove a lie. */
  readonly implicated: readonly number[];
  readonly bytesPerNodeAndRound: number;
  readonly roundsPerSecond: number;
  /** SHA-256 over the final chain and its allocations, the same on every machine. */
  readonly ledger: string;
}

export type RunOptions = Omit<ClusterOptions, 'watch'> & {
  readonly rounds: number;
  /** Invariants that are looked at. Unless given all; but not I13 where more may lose their memory than may be faulty. */
  readonly checks?: readonly Invariant[];
  /** Called with what a person would want to read. */
  readonly tell?: (line: Line) => void;
};

export interface Line {
  readonly round: number;
  /** Seconds into the deciding interval, by the node's clock. */
  readonly offset_s: number;
  readonly node: string;
  readonly code: string;
  readonly text: string;
}

const STAGE_TEXT = {
  agreed: 'agreed',
  named: 'named: who was away can follow',
  joint: 'joint: a block needs a quorum of the old voters and one of the new',
} as const;

export function simulate(options: RunOptions): Report {
  const registry = device.makeRegistry(
    neighbourhoodOf(options.nodes, options.sizing, options.changes !== undefined),
    sha256,
  );
  let cluster: Cluster;
  const checkers = new Checkers(() => cluster, registry);
  const skipped = new Set<string>();
  const { tell, fragile = 0 } = options;
  const mayStandStill = fragile > Math.floor((options.nodes - 1) / 3);
  const all = Object.keys(INVARIANTS) as Invariant[];
  const { checks = mayStandStill ? all.filter((invariant) => invariant !== 'I13') : all } = options;
  const line = (node: SimNode, code: string, text: string): void =>
    tell?.({ round: node.state.deciding, offset_s: localOffset_s(node), node: node.name, code, text });
  /** A checker, deaf to what is not looked at. */
  const looks = <A extends unknown[]>(check: (...about: A) => void): ((...about: A) => void) => {
    return (...about) => {
      try {
        check(...about);
      } catch (error) {
        if (!(error instanceof Violation) || checks.includes(error.invariant)) throw error;
      }
    };
  };
  const watch: Partial<Watch> = {
    said: looks((message, honest) => checkers.said(message, honest)),
    final: looks((node, final) => {
      checkers.final(node, final);
      const [before, after] = [final.before.handover, final.state.handover];
      if (after === null || before === null || after.stage === before.stage) return;
      line(node, 'members', `epoch ${after.registry.epoch} is ${STAGE_TEXT[after.stage]}`);
    }),
    plan: looks((node, plan) => checkers.plan(node, plan)),
    evidence: looks((node, proof) => checkers.evidence(node, proof)),
    heard: looks((node, message) => checkers.heard(node, message)),
    flow: looks((round, flow) => checkers.flow(round, flow)),
    decided: looks((round, calm) => checkers.decided(round, calm)),
    note(node, note) {
      if (note.code === 'view-skipped' && node.honest) skipped.add(`${note.round}/${note.text.split(' ')[1]}`);
      line(node, note.code, note.text);
    },
    refused(node, { body, sender, epoch }) {
      line(node, 'refused', `${body.type} of node ${sender} is not heard: it has no key in epoch ${epoch}`);
    },
    crashed(node) {
      checkers.crashed(node);
      line(node, 'crashed', 'the power goes');
    },
    restarted(node) {
      const { finalNode, deciding, memoryFrom_round } = node.state;
      const lost = memoryFrom_round > deciding ? `; votes are missing, it votes from round ${memoryFrom_round} on` : '';
      line(node, 'restarted', `from its ledger, at height ${finalNode.state.height}${lost}`);
    },
  };
  cluster = new Cluster({ ...options, watch });
  const started_ms = performance.now();
  let violation: Report['violation'] = null;
  let rounds = 0;
  try {
    for (; rounds < options.rounds; rounds++) cluster.runRound();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = { invariant: error.invariant, round: error.round, text: error.message };
    rounds += 1;
  }
  const seconds = (performance.now() - started_ms) / 1000;
  return {
    seed: options.seed,
    nodes: options.nodes,
    faults: options.faults ?? [],
    rounds,
    violation,
    finalInTime: checkers.inTime,
    viewChanges: skipped.size,
    convicted: checkers.convicted.size,
    implicated: violation?.invariant === 'I1' ? checkers.implicated(options.core ?? device) : [],
    bytesPerNodeAndRound: Math.round(cluster.network.delivered.bytes / cluster.nodes.length / rounds),
    roundsPerSecond: Math.round((rounds / seconds) * 10) / 10,
    ledger: ledgerHash(cluster),
  };
}

/** Of the longest final chain: its last block's id stands for all before it, the allocations for what they mean. */
function ledgerHash(cluster: Cluster): string {
  const [longest] = cluster.honest.map(({ state }) => state.finalNode.state).sort((a, b) => b.height - a.height);
  const { tip, height, allocations } = longest;
  return toHex(sha256(new TextEncoder().encode(JSON.stringify({ tip, height, allocations })))).slice(0, 16);
}
