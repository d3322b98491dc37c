/** Parts for tests of the hardware: a world of one charge point, a timer that only moves when told, drivers. */
import { JohnnyFiveRelays } from '../../hal/drivers/johnny-five-relays.ts';
import { ModbusBus } from '../../hal/drivers/modbus-bus.ts';
import { millis, unixMillis } from '../../hal/units.ts';
import { FaultSwitch } from '../../sim-hardware/faults.ts';
import type { After } from '../../sim-hardware/lease.ts';
import { FirmataBoard } from '../../sim-hardware/wires/firmata-board.ts';
import { boardPins, listenBoard } from '../../sim-hardware/wires/serve.ts';
import { connectorTypes, World } from '../../sim-hardware/world.ts';

export const evening = unixMillis(Date.UTC(2025, 0, 15, 16));

export function smallWorld(): World {
  const chargePoints = [{ id: 'cp1', type: connectorTypes['fast-11'] }];
  return new World({ seed: 1, start: evening, chargePoints, households: 5, capacity_W: 100_000 });
}

/** Until the first vehicle is there (visits.ts: within 90 s). */
export const untilPluggedIn = (world: World) => world.step(unixMillis(evening + 95_000));

export class ManualTimer {
  #now = 0;
  readonly #jobs = new Set<{ readonly at: number; readonly run: () => void }>();

  readonly after: After = (delay_ms, run) => {
    const job = { at: this.#now + delay_ms, run };
    this.#jobs.add(job);
    return () => this.#jobs.delete(job);
  };

  pass(time_ms: number): void {
    this.#now += time_ms;
    for (const job of [...this.#jobs].sort((a, b) => a.at - b.at)) {
      if (job.at <= this.#now && this.#jobs.delete(job)) job.run();
    }
  }
}

/** Fails fast: nothing on this machine takes longer when it answers at all. */
export const quickly = { timeout: millis(150), firstPause: millis(40), longestPause: millis(200) };

export const busAt = (port: number) => new ModbusBus({ kind: 'tcp', host: '127.0.0.1', port }, quickly);

/** A simulated board on a wire, the driver that is connected to it, and the world behind. */
export async function relaysOnWire(world = smallWorld(), timer = new ManualTimer()) {
  const faults = new FaultSwitch(1, 'board', { late_ms: 300, trickle_ms: 100 });
  const board = new FirmataBoard(
    {
      outputs: (levels) =>
        world.drive(
          'cp1',
          boardPins.map(({ output }) => (levels[output] ? 'closed' : 'open')),
        ),
      input: (pin) => world.contacts('cp1')[boardPins.findIndex(({ auxiliary }) => auxiliary === pin)] !== 'open',
      lease: (held) => world.lease('cp1', held),
    },
    timer.after,
  );
  const server = await listenBoard(board, faults);
  const endpoint = { kind: 'tcp', host: '127.0.0.1', port: server.port } as const;
  const relays = new JohnnyFiveRelays({ id: 'relays', endpoint, contacts: boardPins, ...quickly });
  return {
    world,
    timer,
    faults,
    board,
    relays,
    settle: () => world.step(unixMillis(world.now + 20)),
    async teardown() {
      await relays.close();
      board.off();
      await server.close();
    },
  };
}
