/**
 * A node's door without its keys (adapters/gate.ts): the window of rounds, the epochs in which a sender has a key, and
 * what was delivered before is dropped, by the number that stands for its id. Like the device's it forgets all that at a restart.
 * Votes beyond a quorum do not come as far (cluster.ts).
 */
import { type Members, publicKeyOf } from '../../firmware/protocol/members.ts';
import type { Signed } from '../../firmware/protocol/messages.ts';
import type { Packet } from './network.ts';

const SEEN_MAX = 8192;

export class Door {
  /** The last so many that were delivered, and a bit for each of them: a hundred doors fit into a processor's cache. */
  private readonly last = new Int32Array(SEEN_MAX);
  private delivered = 0;
  private bits = new Uint32Array(256);

  admits({ message, serial }: Packet, deciding: number, members: Members): boolean {
    if (this.has(serial) || !inWindow(message, deciding) || !hasKey(message, members)) return false;
    this.remember(serial);
    return true;
  }

  /** A message of the node's own, too: its echo is a repetition. */
  remember(serial: number): void {
    if (this.has(serial)) return;
    while (serial >> 5 >= this.bits.length) {
      const wider = new Uint32Array(2 * this.bits.length);
      wider.set(this.bits);
      this.bits = wider;
    }
    const at = this.delivered % SEEN_MAX;
    if (this.delivered >= SEEN_MAX) this.bits[this.last[at] >> 5] &= ~(1 << (this.last[at] & 31));
    this.bits[serial >> 5] |= 1 << (serial & 31);
    this.last[at] = serial;
    this.delivered += 1;
  }

  private has(serial: number): boolean {
    return (this.bits[serial >> 5] & (1 << (serial & 31))) !== 0; // beyond the bits: undefined & 1 is 0
  }
}

function inWindow({ round, body }: Signed, deciding: number): boolean {
  const past = body.type === 'PROPOSE' || body.type === 'VOTE' || body.type === 'METER';
  return round <= deciding + 1 && (past || round >= deciding - 1);
}

/** A question may be of any epoch: who asks does not know which it is. */
export function hasKey({ sender, epoch, body }: Signed, members: Members): boolean {
  if (publicKeyOf(members, sender, epoch) !== null) return true;
  const last = members.handover?.registry ?? members.registry;
  return body.type === 'SYNC_REQ' && publicKeyOf(members, sender, last.epoch) !== null;
}
