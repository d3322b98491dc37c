/** SHA-256 of the platform: the one that the core, the ledger's tools and the tests are given. */
import { hash } from 'node:crypto';

export const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
