/** A node that does nothing but vote, as fast as it can, and says on standard output what it has been promised. */
import { openLedger } from '../../firmware/adapters/sqlite-ledger.ts';

const [path, first] = process.argv.slice(2) as [string, string];
const ledger = openLedger(path, { publicKey: new Uint8Array(32).fill(1), genesisHash: new Uint8Array(32).fill(2) });
const step = (view: number) => {
  const payload = new TextEncoder().encode(`vote for view ${view}`);
  ledger.append([
    { kind: 'vote', vote: { kind: 'notarize', from: view, to: view, payload, proposal: payload } },
    { kind: 'vote', vote: { kind: 'final', from: view, to: view, payload, proposal: null } },
  ]);
  process.stdout.write(`${view}\n`, () => setImmediate(step, view + 1));
};
step(Number(first));
