/**
 * The network: messages in flight, one list a slot of time. Messages are frozen and shared, never copied or verified
 * once per receiver. What happens to each on its way is the weather's to say.
 */
import type { Signed } from '../../firmware/protocol/messages.ts';

export interface Weather {
  /** Milliseconds on the way of each copy that arrives; an empty list for a message that is lost. */
  delays_ms(from: number, to: number, message: Signed, now_ms: number): readonly number[];
}

/** Signature, CBOR around it, MQTT header and packet id, topic length; the topic itself is counted by its text. */
const OVERHEAD_BYTES = 64 + 7 + 7;

export class Network {
  readonly slot_ms: number;
  /** What arrived, over all nodes. */
  delivered = { messages: 0, bytes: 0 };
  private readonly slots = new Map<number, (number | Signed)[]>();

  constructor(slot_ms: number) {
    this.slot_ms = slot_ms;
  }

  carry(from: number, to: number, message: Signed, now_ms: number, weather: Weather): void {
    for (const delay_ms of weather.delays_ms(from, to, message, now_ms)) {
      const at = Math.floor((now_ms + Math.max(delay_ms, this.slot_ms)) / this.slot_ms);
      const slot = this.slots.get(at);
      if (slot === undefined) this.slots.set(at, [to, message]);
      else slot.push(to, message);
    }
  }

  /** What arrives in this slot, in the order it was sent. */
  arrivals(now_ms: number, deliver: (to: number, message: Signed) => void): void {
    const at = Math.floor(now_ms / this.slot_ms);
    const slot = this.slots.get(at);
    if (slot === undefined) return;
    this.slots.delete(at);
    for (let i = 0; i < slot.length; i += 2) deliver(slot[i] as number, slot[i + 1] as Signed);
  }

  count(message: Signed, topic: string): void {
    this.delivered.messages += 1;
    this.delivered.bytes += message.payload.length + OVERHEAD_BYTES + topic.length;
  }
}
