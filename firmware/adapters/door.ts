/**
 * The door under pressure: who knocks waits in the lane of the name under which the broker let it publish, and is
 * admitted a signature at a time, so that the control of the contacts, on the same thread, is never kept waiting.
 * What goes over a limit is refused like all else, with a code. Nothing here slows the broker down: its own queue for
 * this node knows no lanes, and when it is full an honest message is as likely lost as another.
 */
import { millis } from '../../hal/units.ts';
import type { Clock } from '../ports.ts';
import { DOOR_PAUSE_ms, DOOR_SLICE_ms, MESSAGE_MAX_BYTES } from '../protocol/limits.ts';
import { type Admission, type Gate, type Reader, refusal } from './gate.ts';
import { createLanes } from './lanes.ts';
import { createMute } from './mute.ts';

export interface DoorParts {
  /** Whether somebody may publish under this name. */
  isName(name: string): boolean;
  readonly gate: Pick<Gate, 'admitting'>;
  readonly clock: Pick<Clock, 'monotonic' | 'scale' | 'after'>;
  reader(): Omit<Reader, 'maySlow'>;
  /** What became of each message; its work counts as that of the message. */
  told(name: string, admission: Admission): void;
}

export interface Door {
  /** A message published under this name. Admitted at once unless others wait. */
  knock(name: string, wire: Uint8Array): void;
  /** This node has asked this one for something: the answer may cost. */
  asked(name: string): void;
  close(): void;
}

export function createDoor({ isName, gate, clock, reader, told }: DoorParts): Door {
  const now = (): number => clock.monotonic() / clock.scale;
  const lanes = createLanes<Uint8Array>(now);
  const mute = createMute(now);
  let current: { readonly name: string; readonly admitting: ReturnType<Gate['admitting']> } | null = null;
  let spent_ms = 0;
  let isWorking = false;
  let cancelRest: (() => void) | null = null;

  const rest = (wall_ms: number): void => {
    cancelRest ??= clock.after(millis(Math.ceil(wall_ms * clock.scale)), () => {
      cancelRest = null;
      spent_ms = 0;
      work();
    });
  };

  /** Until nobody waits who may enter, or the slice is over. */
  const work = (): void => {
    if (isWorking) return; // what was admitted may make the bus speak at once
    isWorking = true;
    while (spent_ms < DOOR_SLICE_ms) {
      const began_ms = now();
      const next: typeof current = current ?? begin();
      if (next === null) break;
      current = next;
      const step = next.admitting.next();
      if (step.done) {
        current = null;
        told(next.name, step.value);
      }
      const cost_ms = now() - began_ms;
      lanes.charge(next.name, cost_ms);
      spent_ms += cost_ms;
    }
    isWorking = false;
    if (spent_ms >= DOOR_SLICE_ms) rest(0);
    else if (lanes.waiting > 0) rest(DOOR_PAUSE_ms);
  };

  const begin = (): typeof current => {
    const next = lanes.next();
    if (next === undefined) return null;
    const { name, item } = next;
    return { name, admitting: gate.admitting(item, { ...reader(), maySlow: () => mute.mayCheck(name) }) };
  };

  return {
    knock(name, wire) {
      if (!isName(name)) return told(name, refusal('unknown-sender', 'no node of this name'));
      if (wire.length > MESSAGE_MAX_BYTES) return told(name, refusal('over-size', `${wire.length} bytes`));
      // A copy of its own: what came is a view of all that was read with it, and would keep that in memory.
      for (const [from, times] of lanes.offer(name, new Uint8Array(wire), wire.length))
        for (let i = 0; i < times; i++) told(from, refusal('flooded', 'too much waits at the door'));
      work();
    },
    asked: (name) => lanes.forgive(name),
    close: () => cancelRest?.(),
  };
}
