/**
 * What the bench says while it runs: a line for each round that is decided, for each controller that ends or comes back,
 * and when the broker is lost and found; and the line that lives in between in a terminal.
 */
import type { BlockView, NeighbourhoodView, NodeView } from '../firmware/page/view.ts';

const clockTime = (time_ms: number, digits: 5 | 8): string => new Date(time_ms).toISOString().slice(11, 11 + digits);
export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;
const isLive = ({ gone }: NodeView): boolean => gone === undefined;

/** Called with each view; returns the lines that are new since the last call. */
export function newsTeller(): (view: NeighbourhoodView) => string[] {
  let told = -1;
  let brokerLost = false;
  const gone = new Set<string>();
  /** Rounds told as terminated: their block may still come. */
  const terminated = new Set<number>();
  return ({ chain, nodes }) => {
    const live = nodes.filter(isLive);
    const now_ms = Math.max(...(live.length > 0 ? live : nodes).map(({ time }) => time.now_ms));
    const lines: string[] = [];
    const say = (text: string): void => void lines.push(`${clockTime(now_ms, 5)}  ${text}`);
    for (const { name, gone: absent } of nodes) {
      if (absent !== undefined && !gone.has(name)) say(`${name}: ${absent.why}`);
      if (absent === undefined && gone.has(name)) say(`${name}: controller is back`);
      if (absent === undefined) gone.delete(name);
      else gone.add(name);
    }
    // One controller may lose it alone, which its card says; the broker is away when all have lost it.
    const lost = live.length > 0 ? live.every(({ brokerConnected }) => !brokerConnected) : brokerLost;
    if (lost && !brokerLost) say('the broker is lost: nothing new is agreed until it is back');
    if (brokerLost && !lost) say('the broker is back');
    brokerLost = lost;
    for (const block of chain.blocks.toReversed()) {
      if (block.outcome === 'committed' && terminated.delete(block.round))
        say(`round ${block.round} committed after all, too late to act on`);
      if (block.round <= told) continue;
      told = block.round;
      if (block.outcome === 'terminated') terminated.add(block.round);
      const pf = chain.fluctuation;
      const flat = pf ? `  cbrt PF ${pf.with.cbrt.toFixed(1)} (without the trade ${pf.without.cbrt.toFixed(1)})` : '';
      lines.push(`${clockTime(block.start_ms, 5)}  round ${block.round} ${outcome(block)}${flat}`);
    }
    return lines;
  };
}

function outcome({ outcome, height, author, ordersExecuted, votes }: BlockView): string {
  if (outcome === 'terminated') return 'terminated: contacts fall back';
  const { received, validators } = votes;
  return `committed, block ${height} by ${author}, ${count(ordersExecuted, 'order')}, ${received} of ${validators} votes`;
}

/** The present in one line; null while no controller is there to tell it. */
export function statusLine({ chain, nodes }: NeighbourhoodView, scale: number, columns: number): string | null {
  const live = nodes.filter(isLive);
  const reader = live.find(({ name }) => name === chain.seenBy);
  if (reader === undefined) return null;
  const { now_ms, phase, nextRoundAt_ms } = reader.time;
  const closed = nodes.filter(
    ({ chargePoint: c }) => c && [c.contacts.charge, c.contacts.discharge].some((x) => x.observed === 'closed'),
  );
  const power_W = live.find(({ site }) => site)?.site?.power_W;
  const line = [
    `${clockTime(now_ms, 8)}  ${phase}`,
    `next round in ${Math.max(0, Math.ceil((nextRoundAt_ms - now_ms) / 1000 / scale))} s`,
    ...(power_W == null ? [] : [`${(power_W / 1000).toFixed(1)} kW at the head meter`]),
    `${count(closed.length, 'contact')} closed`,
  ].join(', ');
  // A line that wraps cannot be drawn over, and each update would leave one behind.
  return line.length < columns ? line : `${line.slice(0, Math.max(0, columns - 2))}…`;
}
