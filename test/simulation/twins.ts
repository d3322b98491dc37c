/**
 * Twins (Bano et al., "Twins: BFT systems made robust", 2021): malicious nodes that run nothing but the honest code, twice under
 * one key. Who hears whom is drawn for each view's length: between groups all is lost, or late. What the two copies then say is
 * as malicious as most that anybody would think of. A copy is never heard by the other.
 */
import type { Hours } from '../../firmware/protocol/round.ts';
import type { Trouble } from './faults.ts';
import { type Random, randomStream } from './random.ts';

const VIEW_DELTAS = 3;
const LATENCY_MS = [20, 400] as const;
/** What is late is late by up to so much: into the next view and the one after. */
const LATE_DELTAS = 5;
/** How many groups there are, each as likely as the others. */
const GROUPS = [1, 2, 2, 3] as const;
/** How often the groups outlast the view. */
const STAYS = 0.4;

export class TwinSchedule implements Trouble {
  readonly liars: ReadonlySet<number> = new Set();
  readonly crashes = [];
  /** Never: no progress is owed. */
  readonly calmRounds = 0;
  /** By place in the network, whose key it has: the nodes, the head meter, and behind them the second copies. */
  readonly keys: readonly number[];
  private readonly random: Random;
  private readonly delta_ms: number;
  private slot = -1;
  private groups: readonly number[] = [];
  private lossy = false;

  constructor({ seed, n, twins, hours }: { seed: number; n: number; twins: number; hours: Hours }) {
    this.random = randomStream(seed, 'twins');
    this.delta_ms = hours.delta_ms;
    const nodes = Array.from({ length: n + 1 }, (_, node) => node);
    const voters = nodes.slice(0, n);
    const doubled = Array.from({ length: twins }, () => voters.splice(this.random.whole(0, voters.length - 1), 1)[0]);
    this.keys = [...nodes, ...doubled];
  }

  begin(): void {}
  lieOf = (): null => null;
  skew_ms = (): number => 0;

  delays_ms(from: number, to: number, _message: unknown, now_ms: number): readonly number[] {
    const slot = Math.floor(now_ms / (VIEW_DELTAS * this.delta_ms));
    if (slot !== this.slot) this.turn(slot);
    if (this.keys[from] === this.keys[to]) return [];
    if (this.groups[from] === this.groups[to]) return [this.random.whole(...LATENCY_MS)];
    return this.lossy ? [] : [this.random.whole(this.delta_ms, LATE_DELTAS * this.delta_ms)];
  }

  private turn(slot: number): void {
    this.slot = slot;
    if (this.groups.length > 0 && this.random.chance(STAYS)) return;
    const last = GROUPS[this.random.whole(0, GROUPS.length - 1)] - 1;
    this.lossy = this.random.chance(0.5);
    this.groups = this.keys.map(() => this.random.whole(0, last));
  }
}
