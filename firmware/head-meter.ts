/**
 * The head meter's node: reads the meter at the connection point and signs one SITE reading a round. A reading that
 * it does not have it does not invent: without one from the start of the interval, or from a meter whose registers stand
 * still, it says nothing for that round.
 */
import type { Meter, MeterReading } from '../hal/ports.ts';
import { type Millis, type Watts, watts } from '../hal/units.ts';
import type { Clock } from './ports.ts';
import { decisionStart } from './protocol/round.ts';
import type { Runtime } from './runtime.ts';
import { type Sense, startSense } from './sense.ts';

export interface HeadMeter {
  /** Null while the meter is silent. */
  readonly power: Watts | null;
  readonly trouble: string | null;
  stop(): Promise<void>;
}

/** Part of the interval after which the reading is sent: as late as T_ord (0.3) safely allows. */
const SENT_AT = 0.26;
/** Part of the interval after which its registers must have moved once more, or the meter hangs; 1 Wh since then is 90 W. */
const MOVED_AT = SENT_AT / 2;
/** Part of the interval within which its first reading counts as its beginning. */
export const BEGINS_WITHIN = 0.05;
const SILENT_ms = 10_000;

export function startHeadMeter(meter: Meter, period: Millis, clock: Clock, runtime: Runtime): HeadMeter {
  const { round_ms } = runtime.state.hours;
  /** The first reading of the interval, and the last one at which the registers had moved: a meter may hang at any moment. */
  let start: { readonly round: number; readonly reading: MeterReading } | null = null;
  let moved: MeterReading | null = null;
  let sent = -1;

  const onReading = (reading: MeterReading): void => {
    const round = runtime.state.deciding;
    if (round < 0) return;
    const offset = reading.takenAt - decisionStart(round, round_ms);
    if (start?.round !== round && offset >= 0 && offset < BEGINS_WITHIN * round_ms) start = { round, reading };
    if (start?.round !== round) return;
    if (reading.imported < start.reading.imported || reading.exported < start.reading.exported) {
      start = null; // the meter was exchanged: this interval has no beginning any more
      return;
    }
    if (moved === null || reading.imported !== moved.imported || reading.exported !== moved.exported) moved = reading;
    const elapsed_ms = moved.takenAt - start.reading.takenAt;
    if (sent >= round || offset < SENT_AT * round_ms || elapsed_ms < MOVED_AT * round_ms) return;
    sent = round;
    const energy_Wh = moved.imported - start.reading.imported - (moved.exported - start.reading.exported);
    runtime.feed({
      kind: 'site',
      reading: {
        takenAt_ms: start.reading.takenAt,
        imported_Wh: start.reading.imported,
        exported_Wh: start.reading.exported,
        power_W: Math.floor((energy_Wh * 3_600_000) / elapsed_ms),
      },
    });
  };
  const sense: Sense<MeterReading> = startSense(clock, period, (signal) => meter.read(signal), onReading);

  return {
    get power() {
      return sense.last !== null && sense.last.age < SILENT_ms ? watts(sense.last.value.power) : null;
    },
    get trouble() {
      return sense.trouble;
    },
    async stop() {
      sense.stop();
      await meter.close();
    },
  };
}
