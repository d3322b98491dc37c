/**
 * A chain without the agreement: whoever leads proposes, a quorum signs. Real keys, blocks and certificates, many days in
 * seconds; with rounds that come to nothing, rounds without a schedule, and blocks that only a descendant made final.
 */
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { FinalBlock, LedgerEntry, Signer } from '../../firmware/ports.ts';
import { accountOf } from '../../firmware/protocol/account.ts';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import { applyBlock } from '../../firmware/protocol/block.ts';
import { certificateOf } from '../../firmware/protocol/certificate.ts';
import { type ChainState, genesisState, isRefusal } from '../../firmware/protocol/chain.ts';
import { checkpointOf, encodeState } from '../../firmware/protocol/checkpoint.ts';
import { fromHex } from '../../firmware/protocol/codec.ts';
import type { Neighbourhood } from '../../firmware/protocol/genesis.ts';
import {
  type Block,
  type Body,
  type MeterStatement,
  type Order,
  payloadOf,
  type Signed,
  type Site,
  signed,
  toSign,
  toWire,
  type Unsigned,
  type Vote,
} from '../../firmware/protocol/messages.ts';
import { makeRegistry, type Registry } from '../../firmware/protocol/registry.ts';
import { firstView, type Kind, leaderOf } from '../../firmware/protocol/round.ts';
import { headerOf, scheduleBlock } from '../../firmware/protocol/schedule.ts';
import { sealBlock } from '../../firmware/protocol/seal.ts';
import type { FinalStep } from '../../firmware/protocol/state.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { randomStream } from '../simulation/random.ts';
import { neighbourhoodOf, signerOf } from './protocol-driver.ts';

export interface Grown extends Omit<FinalStep, 'votes'> {
  /** FINAL votes of a quorum; none where a descendant's stand for it. */
  readonly votes: readonly Signed<Vote>[];
  readonly row: FinalBlock;
}

const FIRST_ROUND = 1000;

export class GrownChain {
  readonly registry: Registry;
  readonly blocks: Grown[] = [];
  readonly signers: readonly Signer[];
  state: ChainState;
  private round = FIRST_ROUND;
  private readonly random: ReturnType<typeof randomStream>;
  private readonly troubled: boolean;
  private readonly registers_Wh: number[];
  private head_Wh = 0;

  constructor(
    chargePoints: number,
    seed: number,
    changes: Partial<Neighbourhood> = {},
    { troubled = true, firstRound = FIRST_ROUND } = {},
  ) {
    const neighbourhood = neighbourhoodOf(chargePoints, changes);
    this.registry = makeRegistry(neighbourhood, sha256);
    this.state = genesisState(this.registry);
    this.random = randomStream(seed, 'chain');
    this.troubled = troubled;
    this.round = firstRound;
    this.signers = neighbourhood.nodes.map((_, node) => signerOf(node));
    this.registers_Wh = neighbourhood.nodes.map(() => 50_000);
  }

  sign<B extends Body>(sender: number, body: B, place: Partial<Unsigned> = {}): Signed<B> {
    const message = { epoch: 0, round: this.round, view: 0, sender, ...place, body };
    const payload = payloadOf(message, this.registry.tag);
    return signed(message, payload, this.signers[sender].sign(toSign(payload)), sha256);
  }

  /** Grows by so many rounds; what it grew. */
  rounds(count: number): Grown[] {
    const from = this.blocks.length;
    for (let i = 0; i < count; i++) {
      if (!this.trouble()) this.oneRound();
      this.round += 1;
      this.head_Wh += this.random.whole(4000, 9000);
    }
    return this.blocks.slice(from);
  }

  private trouble = (): boolean => this.troubled && this.random.chance(0.1);

  private oneRound(): void {
    const { registry, round, random } = this;
    const { nodes } = registry.neighbourhood;
    const orders: Signed<Order>[] = [];
    const meters: Signed<MeterStatement>[] = [];
    nodes.forEach(({ connector }, node) => {
      if (connector === undefined) return;
      const waits = this.state.pending.some(({ order }) => order.sender === node);
      if (!waits && random.chance(0.6)) {
        const side = random.chance(0.7) ? 'buy' : 'sell';
        const power_W = random.whole(1380, 11_000);
        orders.push(
          this.sign(node, {
            type: 'ORDER',
            ref: 0,
            connector: 0,
            side,
            price: 25_000,
            power_W,
            maxWait_rounds: 2,
            divisible: false,
            minimum_W: power_W,
          }),
        );
      }
      const before = this.registers_Wh[node];
      this.registers_Wh[node] += random.whole(0, 500);
      const registers = { imported_Wh: this.registers_Wh[node], exported_Wh: 900 };
      const last = { importedBefore_Wh: before, exportedBefore_Wh: 900 };
      meters.push(this.sign(node, { type: 'METER', ...last, ...registers, mode: 'lease' }, { round: round - 2 }));
    });
    const reading: Site = { type: 'SITE', takenAt_ms: 0, imported_Wh: this.head_Wh, exported_Wh: 0, power_W: 60_000 };
    const site = this.sign(registry.headMeter, reading);
    const checkpoint = checkpointOf(this.state, 'SEAL', round, sha256);
    const scheduled = !this.trouble();
    this.add('SEAL', sealBlock(this.state.tip, { orders, site, meters }, checkpoint), !scheduled || !this.trouble());
    const { instance, seal } = this.state;
    if (!scheduled || instance === null) return;
    const plan = solve(instance, 'eq11', {});
    const header = this.sign(random.whole(0, registry.n - 1), headerOf(seal, plan, evaluate(instance, plan)));
    this.add('SCHEDULE', scheduleBlock(this.state.tip, header), true);
  }

  private add(kind: Kind, body: Block, certified: boolean): void {
    const { registry, round, state: before } = this;
    const view = firstView(round, kind);
    const block = this.sign(leaderOf(registry, view), body, { view });
    const state = applyBlock(before, block, sha256);
    if (isRefusal(state)) throw new Error(`${state.code}, ${state.detail}`);
    const vote: Vote = { type: 'VOTE', kind: 'final', to: view, block: block.id };
    const votes = certified ? registry.leaders.slice(0, registry.q).map((node) => this.sign(node, vote, { view })) : [];
    const row = {
      height: state.height,
      round,
      hash: fromHex(block.id),
      message: Uint8Array.from(toWire(block)),
      certificate: certified ? Uint8Array.from(certificateOf(votes)) : null,
    };
    this.blocks.push({ block, before, state, votes, row });
    this.state = state;
  }

  /** What a node hands to its ledger when this block becomes final. */
  entriesOf(grown: Grown, self = 0): LedgerEntry[] {
    const { before, block, row } = grown;
    const named = block.body.checkpoint !== '';
    const state = named ? Uint8Array.from(encodeState(before, sha256)) : null;
    return [
      ...(state
        ? [{ kind: 'checkpoint' as const, checkpoint: { height: before.height, epoch: before.registry.epoch, state } }]
        : []),
      { kind: 'final', block: row, view: block.view },
      { kind: 'account', account: accountOf(grown, self) },
    ];
  }
}

/** Rounds so long that a day has twelve of them. */
export const SHORT_DAYS: Partial<Neighbourhood> = { roundTime_s: 7200, lookAhead_rounds: 2 };
