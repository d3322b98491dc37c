/** Shows a world on real wires: for each charge point a meter, a pilot controller and a relay board; a head meter. */
import { FaultSwitch, type FaultTiming, type WireFault } from '../faults.ts';
import { type After, wallClock } from '../lease.ts';
import type { MeterTruth, World } from '../world.ts';
import { FirmataBoard } from './firmata-board.ts';
import { type Listening, listen } from './listen.ts';
import { listenModbus, type Registers } from './modbus-slave.ts';
import { phoenixRegisters } from './phoenix.ts';
import { sdm630Registers } from './sdm630.ts';

/** How every simulated board is wired: charge, discharge. */
export const boardPins = [
  { output: 2, auxiliary: 4 },
  { output: 3, auxiliary: 5 },
] as const;
export const meterUnit = 1;
export const connectorUnit = 180;

export interface ChargePointWires {
  /** TCP ports of this machine (127.0.0.1). */
  readonly meter: number;
  readonly connector: number;
  readonly relays: number;
}

export interface Wires {
  readonly headMeter: number;
  readonly chargePoints: ReadonlyMap<string, ChargePointWires>;
  /** Names that setFault knows: `head meter`, and `cp1 meter`, `cp1 connector`, `cp1 relays` for a charge point cp1. */
  readonly devices: readonly string[];
  /** Breaks a wire, or mends it; `share` is the part of the replies that it strikes. Throws RangeError. */
  setFault(device: string, fault: WireFault | null, share?: number): void;
  /** To be called after each step of the world: boards report inputs that changed. */
  afterStep(): void;
  /** Pulls all plugs: contacts open. */
  close(): Promise<void>;
}

export interface ServeOptions {
  readonly seed?: number;
  readonly timing?: FaultTiming;
  /** Brings the world to the present; called before a meter answers. */
  readonly catchUp?: () => void;
  /** The boards' timer, in wall time. */
  readonly after?: After;
}

export async function serve(
  world: World,
  { seed = 0, timing, catchUp = () => undefined, after = wallClock }: ServeOptions = {},
): Promise<Wires> {
  const switches = new Map<string, FaultSwitch>();
  const servers: Listening[] = [];
  const boards: FirmataBoard[] = [];

  function faultsOf(device: string): FaultSwitch {
    const faults = new FaultSwitch(seed, device, timing);
    switches.set(device, faults);
    return faults;
  }

  async function modbus(device: string, unit: number, registers: Registers): Promise<number> {
    const server = await listenModbus({ unit, registers, faults: faultsOf(device) });
    servers.push(server);
    return server.port;
  }

  async function relays(device: string, id: string): Promise<number> {
    const board = new FirmataBoard(
      {
        outputs: (levels) =>
          world.drive(
            id,
            boardPins.map(({ output }) => (levels[output] ? 'closed' : 'open')),
          ),
        input: (pin) => world.contacts(id)[boardPins.findIndex(({ auxiliary }) => auxiliary === pin)] !== 'open',
        lease: (held) => world.lease(id, held),
      },
      after,
    );
    boards.push(board);
    const server = await listenBoard(board, faultsOf(device));
    servers.push(server);
    return server.port;
  }

  const meterOf = (truth: () => MeterTruth): Registers =>
    sdm630Registers(() => {
      catchUp();
      return truth();
    });
  const headMeter = await modbus(
    'head meter',
    meterUnit,
    meterOf(() => world.head),
  );
  const chargePoints = new Map<string, ChargePointWires>();
  for (const id of world.ids) {
    chargePoints.set(id, {
      meter: await modbus(
        `${id} meter`,
        meterUnit,
        meterOf(() => world.meter(id)),
      ),
      connector: await modbus(`${id} connector`, connectorUnit, phoenixRegisters(world, id)),
      relays: await relays(`${id} relays`, id),
    });
  }
  return {
    headMeter,
    chargePoints,
    devices: [...switches.keys()],
    setFault(device, fault, share) {
      const faults = switches.get(device);
      if (faults === undefined)
        throw new RangeError(`no device ${device}; there are ${[...switches.keys()].join(', ')}`);
      faults.set(fault, share);
    },
    afterStep() {
      for (const board of boards) board.reportChanges();
    },
    async close() {
      for (const board of boards) board.off();
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

/** A board takes one conversation at a time: who connects later replaces who was there. */
export function listenBoard(board: FirmataBoard, faults = new FaultSwitch()): Promise<Listening> {
  let hangUp = () => undefined as unknown;
  return listen((socket) => {
    hangUp();
    hangUp = () => socket.destroy();
    board.attach((bytes) => {
      const fault = faults.strike();
      faults.send(socket, fault === 'short-frame' ? bytes.subarray(0, -1) : bytes, fault);
    });
    socket.on('data', (bytes) => board.receive(bytes));
  });
}
