/** A node that does nothing but vote, as fast as it can, and says on standard output what it has been promised. */
import { openLedger } from '../../firmware/adapters/sqlite-ledger.ts';
import { openVoteCounter } from '../../firmware/adapters/vote-counter.ts';

const [path, first] = process.argv.slice(2) as [string, string];
const identity = { publicKey: new Uint8Array(32).fill(1), genesisHash: new Uint8Array(32).fill(2) };
const ledger = openLedger(path, identity, openVoteCounter(`${path}.votes`));
const step = (view: number) => {
  const payload = new TextEncoder().encode(`vote for view ${view}`);
  ledger.append([
    { kind: 'vote', vote: { kind: 'notarize', from: view, to: view, payload, basis: payload } },
    { kind: 'vote', vote: { kind: 'final', from: view, to: view, payload, basis: null } },
  ]);
  process.stdout.write(`${view}\n`, () => setImmediate(step, view + 1));
};
step(Number(first));
