/**
 * npm run bench:ledger [-- --nodes 100 --days 4]: what the ledger of a neighbourhood keeps a day, pruned and not, and how
 * long a start takes. The chain is grown without the agreement (real signatures and certificates), by rounds of a real
 * day's number; every node wishes with a chance of 60 % whenever it has no open order. Prints a table and a line of JSON.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createGate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { openLedger } from '../../firmware/adapters/sqlite-ledger.ts';
import { openVoteCounter } from '../../firmware/adapters/vote-counter.ts';
import type { Block, Signed } from '../../firmware/protocol/messages.ts';
import { makeState } from '../../firmware/protocol/state.ts';
import { restore } from '../../firmware/protocol/step.ts';
import { GrownChain } from '../unit/grown-chain.ts';
import { signerOf } from '../unit/protocol-driver.ts';
import { conclude } from './figures.ts';

const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '100' }, days: { type: 'string', default: '4' } },
});
const nodes = Number(values.nodes);
const days = Number(values.days);
const DAY = 288;

const chain = new GrownChain(
  nodes,
  1,
  { capacity_W: 8000 * nodes, exportLimit_W: 8000 * nodes, lookAhead_rounds: 12 },
  { troubled: false, firstRound: 4 * DAY },
);
const { registry } = chain;
const folder = mkdtempSync(join(tmpdir(), 'p2pebt-bench-ledger-'));
const file = join(folder, 'ledger.sqlite');
const identity = { publicKey: signerOf(0).publicKey, genesisHash: Buffer.from(registry.genesis, 'hex') };
const open = () => openLedger(file, identity, openVoteCounter(`${file}.votes`));
/** As a node starts: read, open, replay. */
function start_s(whole: readonly Uint8Array[] | null): number {
  const began = performance.now();
  const ledger = open();
  const { checkpoint, blocks } = ledger.load();
  const gate = createGate(registry, sha256, () => true);
  const messages = (whole ?? blocks.map(({ message }) => message)).map((wire) => gate.reopen(wire) as Signed<Block>);
  const state = makeState(registry, 0, sha256);
  restore(state, whole ? null : (checkpoint?.state ?? null), messages, []);
  ledger.close();
  if (state.finalNode.state.tip !== chain.state.tip) throw new Error('the start did not reach the tip');
  return (performance.now() - began) / 1000;
}

try {
  const appends_ms: number[] = [];
  const sizes_MB: number[] = [];
  let unpruned = 0;
  for (let day = 0; day < days; day++) {
    const ledger = open();
    for (let round = 0; round < DAY; round++) {
      for (const grown of chain.rounds(1)) {
        unpruned += grown.row.message.length + (grown.row.certificate?.length ?? 0);
        const began = performance.now();
        ledger.append(chain.entriesOf(grown));
        appends_ms.push(performance.now() - began);
      }
    }
    ledger.close(); // takes the WAL into the file
    sizes_MB.push(statSync(file).size / 1e6);
  }
  const ledger = open();
  const state_kB = (ledger.checkpointAbove(0, 0)?.state.length ?? 0) / 1e3;
  ledger.close();
  // Two days of blocks are kept, the file keeps its free pages: from the third day on only what stays is added.
  const growth_MB = (sizes_MB[days - 1] - sizes_MB[2]) / (days - 3);
  conclude({ nodes, days }, [
    { name: 'blocks and certificates, MB a day', value: unpruned / days / 1e6 },
    { name: 'ledger after the first day, MB', value: sizes_MB[0] },
    { name: 'ledger after the last day, MB', value: sizes_MB[days - 1] },
    { name: 'growth after pruning, MB a day', value: growth_MB, below: 1 },
    { name: 'state of a checkpoint, kB', value: state_kB },
    { name: 'longest append, ms', value: Math.max(...appends_ms) },
    { name: 'start at the checkpoint, a day of blocks above it, s', value: start_s(null) },
    { name: `start by replaying ${days} days, s`, value: start_s(chain.blocks.map(({ row }) => row.message)) },
  ]);
} finally {
  rmSync(folder, { recursive: true });
}
