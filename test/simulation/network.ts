/**
 * The network: messages in flight, one list a slot of time. Messages are frozen and shared, never copied or verified
 * once per receiver. What happens to each on its way is the weather's to say.
 */
import type { Signed } from '../../firmware/protocol/messages.ts';

export interface Weather {
  /** Milliseconds on the way of each copy that arrives; an empty list for a message that is lost. */
  delays_ms(from: number, to: number, message: Signed, now_ms: number): readonly number[];
}

/** What all copies of a message have in common. */
export interface Packet {
  readonly message: Signed;
  /** Counts the messages by id: what is said again keeps its number. */
  readonly serial: number;
  /** Of each copy. */
  readonly bytes: number;
}

/** Signature, CBOR around it, MQTT header and packet id, topic length; the topic itself is counted by its text. */
const OVERHEAD_BYTES = 64 + 7 + 7;

/** Ids whose numbers are kept: a message that was first said so long ago is another one if it is said again. */
const SERIALS_MAX = 2 ** 18;

export class Network {
  readonly slot_ms: number;
  /** What arrived, over all nodes. */
  delivered = { messages: 0, bytes: 0 };
  private readonly slots = new Map<number, (number | Packet)[]>();
  private readonly serials = new Map<string, number>();
  private said = 0;

  constructor(slot_ms: number) {
    this.slot_ms = slot_ms;
  }

  /** Of a message published on that topic. */
  pack(message: Signed, topic: string): Packet {
    return { message, serial: this.serialOf(message), bytes: message.payload.length + OVERHEAD_BYTES + topic.length };
  }

  serialOf({ id }: Signed): number {
    const known = this.serials.get(id);
    if (known !== undefined) return known;
    this.serials.set(id, this.said);
    if (this.serials.size > SERIALS_MAX) this.serials.delete(this.serials.keys().next().value as string);
    return this.said++;
  }

  carry(from: number, to: number, packet: Packet, now_ms: number, weather: Weather): void {
    for (const delay_ms of weather.delays_ms(from, to, packet.message, now_ms)) {
      const at = Math.floor((now_ms + Math.max(delay_ms, this.slot_ms)) / this.slot_ms);
      const slot = this.slots.get(at);
      if (slot === undefined) this.slots.set(at, [to, packet]);
      else slot.push(to, packet);
    }
  }

  /** What arrives in this slot, in the order it was sent. */
  arrivals(now_ms: number, deliver: (to: number, packet: Packet) => void): void {
    const at = Math.floor(now_ms / this.slot_ms);
    const slot = this.slots.get(at);
    if (slot === undefined) return;
    this.slots.delete(at);
    for (let i = 0; i < slot.length; i += 2) deliver(slot[i] as number, slot[i + 1] as Packet);
  }

  count({ bytes }: Packet): void {
    this.delivered.messages += 1;
    this.delivered.bytes += bytes;
  }
}
