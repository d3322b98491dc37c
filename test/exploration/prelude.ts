/**
 * Where the exploration begins: four voters and a head meter, their real cores, that have sealed a round together and
 * stand at the start of its SCHEDULE decision. All hold one header (learned after T_lock, so that it binds nobody),
 * and the malicious voter has another, equally valid one that nobody else has seen.
 */
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { type Header, payloadOf, type Signed, signed, type Unsigned } from '../../firmware/protocol/messages.ts';
import type { Registry } from '../../firmware/protocol/registry.ts';
import { decisionStart } from '../../firmware/protocol/round.ts';
import type { ProtocolState } from '../../firmware/protocol/state.ts';
import type { Input } from '../../firmware/protocol/step.ts';
import { solve } from '../../firmware/solver/solve.ts';
import type { Core } from '../simulation/core.ts';
import { neighbourhoodOf } from '../simulation/neighbourhood.ts';

export interface Prelude {
  readonly registry: Registry;
  readonly round: number;
  /** By node; the state of each voter at the start of the decision. */
  readonly states: readonly ProtocolState[];
  /** What was sent at the very start of the decision, by node: the proposal of an honest first leader. */
  readonly sent: readonly Signed[][];
  /** The header that everybody holds, and the one up the malicious node's sleeve. */
  readonly known: Signed<Header>;
  readonly secret: Signed<Header>;
}

const ROUND = 1000;
const VOTERS = 4;
const NO_SIGNATURE = new Uint8Array(64);

export const sign = (unsigned: Unsigned, registry: Registry): Signed =>
  signed(unsigned, payloadOf(unsigned, registry.tag), NO_SIGNATURE, sha256);

export function prelude(core: Core, malicious: number): Prelude {
  const registry = core.makeRegistry(neighbourhoodOf(VOTERS), sha256);
  const states = registry.publicKeys.map((_, self) => core.makeState(registry, self, sha256));
  const { hours } = states[0];
  const head = registry.headMeter;
  const start_ms = decisionStart(ROUND, hours.round_ms);
  let kept: Signed[][] = states.map(() => []);

  /** Gives an input to some, and what they send to all, until nobody has anything to say. */
  const all = (inputs: readonly [number, Input][], holdsBack = (_: Signed): boolean => false): void => {
    const queue = [...inputs];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [node, input] = next;
      for (const unsigned of core.step(states[node], input).send) {
        const message = sign(unsigned, registry);
        kept[node].push(message);
        if (!holdsBack(message)) states.forEach((_, to) => void queue.push([to, { kind: 'message', message }]));
      }
    }
  };
  const tick = (offset_ms: number, holdsBack?: (message: Signed) => boolean): void =>
    all(
      states.map((_, node) => [node, { kind: 'tick', now_ms: start_ms + offset_ms }]),
      holdsBack,
    );

  tick(0);
  const reading = { takenAt_ms: start_ms, imported_Wh: 0, exported_Wh: 0, power_W: 90_000 };
  all([[head, { kind: 'site', reading }]]);
  for (const offset_ms of [hours.orders_ms, hours.seal_ms, hours.solve_ms]) tick(offset_ms);
  const { instance, seal } = states[head].finalNode.state;
  if (instance === null) throw new Error('the prelude did not seal its round');
  const plan = solve(instance, 'once', {});
  const isHeader = (message: Signed): boolean => message.body.type === 'HEADER';
  for (const author of [head, malicious]) all([[author, { kind: 'solved', seal, plan }]], isHeader);
  tick(hours.headers_ms - hours.delta_ms, isHeader);
  const [known, secret] = [head, malicious].map((node) => kept[node].find(isHeader) as Signed<Header>);
  tick(hours.lock_ms);
  all(states.map((_, node) => [node, { kind: 'message', message: known }]));
  kept = states.map(() => []);
  tick(hours.schedule_ms, () => true); // a proposal is on its way, and no more
  return { registry, round: ROUND, states, sent: kept, known, secret };
}
