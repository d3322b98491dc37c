/** The hardware ports as views on a world, in memory: no wire, no wait. They pass the drivers' compliance suite. */
import { HalError } from '../../hal/errors.ts';
import type { Connector, Meter, RelayBank } from '../../hal/ports.ts';
import { type Milliamps, milliamps, millis, type UnixMillis, wattHours, watts } from '../../hal/units.ts';
import { type After, Lease, wallClock } from '../lease.ts';
import type { MeterTruth, World } from '../world.ts';

function notAborted(device: string, signal: AbortSignal): void {
  if (signal.aborted) throw new HalError(device, { code: 'timeout', waited: millis(0) });
}

export function worldMeter(id: string, truth: () => Readonly<MeterTruth>, now: () => UnixMillis): Meter {
  return {
    id,
    async read(signal) {
      notAborted(id, signal);
      const { imported_Wh, exported_Wh, power_W, currents_A } = truth();
      const [l1, l2, l3] = currents_A.map((current_A) => milliamps(Math.round(current_A * 1000)));
      return {
        takenAt: now(),
        imported: wattHours(Math.round(imported_Wh)),
        exported: wattHours(Math.round(exported_Wh)),
        power: watts(Math.round(power_W)),
        phaseCurrents: [l1!, l2!, l3!],
      };
    },
    async close() {},
  };
}

export function worldRelays(id: string, world: World, chargePoint: string, after: After = wallClock): RelayBank {
  const lease = new Lease(after, () => {
    world.drive(chargePoint, ['open', 'open']);
    world.lease(chargePoint, false);
  });
  return {
    id,
    size: 2,
    async drive(wanted, holdFor, signal) {
      if (wanted.length !== 2) throw new RangeError(`${id}: ${wanted.length} contacts of 2`);
      if (holdFor < 1) throw new RangeError(`${id}: cannot hold for ${holdFor} ms`);
      notAborted(id, signal);
      lease.renew(holdFor);
      world.lease(chargePoint, true);
      world.drive(chargePoint, wanted);
    },
    async observe(signal) {
      notAborted(id, signal);
      return world.contacts(chargePoint);
    },
    async close() {},
  };
}

export function worldConnector(id: string, world: World, chargePoint: string, now: () => UnixMillis): Connector {
  return {
    id,
    async read(signal) {
      notAborted(id, signal);
      const welded = world.contactFault(chargePoint) === 'welded';
      return { takenAt: now(), pilot: world.pilot(chargePoint), faults: new Set(welded ? ['welded-contact'] : []) };
    },
    async offer(limit: Milliamps | 'none', signal) {
      notAborted(id, signal);
      const limit_A = limit === 'none' ? 0 : Math.floor(limit / 1000);
      world.offer(chargePoint, limit_A < 6 ? 0 : Math.min(limit_A, 80));
    },
    async close() {},
  };
}
