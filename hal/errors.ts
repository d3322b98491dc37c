/**
 * What can go wrong with a device, as a closed list of codes. Thrown by drivers, judged by whoever asked them.
 */
import type { Millis } from './units.ts';

/** Every way in which a device can fail. A closed list: each fault on a wire maps to exactly one code. */
export type HalFault =
  | { readonly code: 'timeout'; readonly waited: Millis }
  | { readonly code: 'disconnected'; readonly detail: string }
  | { readonly code: 'garbled'; readonly detail: string } // checksum, length, wrong unit
  | { readonly code: 'refused'; readonly exceptionCode: number } // the device said no
  | { readonly code: 'implausible'; readonly detail: string }; // well-formed, but cannot be true

/** A device failed. Lasting conditions (a welded contact, a ground fault) are state, never this. */
export class HalError extends Error {
  readonly device: string;
  readonly fault: HalFault;

  constructor(device: string, fault: HalFault) {
    const detail = 'detail' in fault ? `: ${fault.detail}` : '';
    super(`${device}: ${fault.code}${detail}`);
    this.name = 'HalError';
    this.device = device;
    this.fault = fault;
  }
}
