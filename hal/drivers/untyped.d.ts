/** The parts of two untyped libraries that johnny-five-relays.ts uses. */
declare module 'firmata-io' {
  import type { EventEmitter } from 'node:events';

  class Firmata extends EventEmitter {
    constructor(transport: EventEmitter, options: { reportVersionTimeout: number; skipCapabilities: true });
    readonly isReady: boolean;
    readonly MODES: { readonly OUTPUT: number; readonly PULLUP: number };
    readonly pins: readonly { readonly mode?: number; readonly state?: number; readonly value?: number }[];
    readonly buffer: number[];
    pinMode(pin: number, mode: number): void;
    reportDigitalPin(pin: number, value: 0 | 1): void;
    sysexCommand(message: readonly number[]): void;
    sysexResponse(command: number, handler: (this: Firmata, data: readonly number[]) => void): void;
    clearSysexResponse(command: number): void;
  }
  const library: { readonly Firmata: typeof Firmata };
  export default library;
}

declare module 'johnny-five' {
  import type { EventEmitter } from 'node:events';

  class Board extends EventEmitter {
    constructor(options: { io: EventEmitter; repl: false; debug: false; sigint: false });
  }

  class Relay {
    constructor(options: { board: Board; pin: number });
    open(): void;
    close(): void;
  }
  const library: { readonly Board: typeof Board; readonly Relay: typeof Relay };
  export default library;
}
