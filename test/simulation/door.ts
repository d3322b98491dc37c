/**
 * A node's door without its keys (adapters/gate.ts): the window of rounds, and what was delivered before is dropped, by
 * id. Like the device's it forgets all that at a restart.
 */
import type { Signed } from '../../firmware/protocol/messages.ts';

const SEEN_MAX = 8192;

export class Door {
  private readonly delivered = new Set<string>();

  admits(message: Signed, deciding: number): boolean {
    if (this.delivered.has(message.id) || !inWindow(message, deciding)) return false;
    this.remember(message);
    return true;
  }

  /** A message of the node's own: its echo is a repetition. */
  remember({ id }: Signed): void {
    this.delivered.add(id);
    if (this.delivered.size > SEEN_MAX) this.delivered.delete(this.delivered.values().next().value as string);
  }
}

function inWindow({ round, body }: Signed, deciding: number): boolean {
  const past = body.type === 'PROPOSE' || body.type === 'VOTE' || body.type === 'METER';
  return round <= deciding + 1 && (past || round >= deciding - 1);
}
