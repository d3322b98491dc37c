/** What a ledger says that the meters said: nothing may be lost between two statements, and nothing said twice. */
import { createGate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { openForReport } from '../../firmware/ledger-report.ts';
import type { MeterStatement, Signed } from '../../firmware/protocol/messages.ts';

/** The statements of each node in the order of the chain. */
export function statementsOf(ledgerFile: string): Map<string, MeterStatement[]> {
  const { registry, blocks } = openForReport(ledgerFile);
  const gate = createGate(registry, sha256, () => true);
  const byNode = new Map<string, MeterStatement[]>();
  for (const { message } of blocks) {
    const { body } = gate.reopen(message);
    if (body.type !== 'PROPOSE') continue;
    for (const carried of body.carried as readonly Signed[]) {
      if (carried.body.type !== 'METER') continue;
      const { name } = registry.neighbourhood.nodes[carried.sender];
      byNode.set(name, [...(byNode.get(name) ?? []), carried.body]);
    }
  }
  return byNode;
}

/** Gaps and overlaps between consecutive statements of one meter, in words. */
export function lostOrDoubled(statements: readonly MeterStatement[]): string[] {
  return statements.slice(1).flatMap((statement, i) => {
    const before = statements[i];
    const lost_Wh = statement.importedBefore_Wh - before.imported_Wh;
    const lostBack_Wh = statement.exportedBefore_Wh - before.exported_Wh;
    return lost_Wh === 0 && lostBack_Wh === 0 ? [] : [`statement ${i + 1}: ${lost_Wh} and ${lostBack_Wh} Wh between`];
  });
}
