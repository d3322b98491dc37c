/** What a ledger says that the meters said, and what was settled of it: nothing may be lost, and nothing counted twice. */
import { createGate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { openForReport, replay } from '../../firmware/ledger-report.ts';
import type { MeterStatement, Signed } from '../../firmware/protocol/messages.ts';

export interface Account {
  /** In the order of the chain. */
  readonly statements: readonly MeterStatement[];
  readonly settled_Wh: number;
}

/** The account of each charge point that a chain holds. */
export function accountsOf(ledgerFile: string): Map<string, Account> {
  const { registry, chain } = openForReport(ledgerFile);
  const { energy } = replay(registry, chain, false).chronicle;
  const gate = createGate(registry, sha256, () => true);
  const accounts = new Map<string, Account>();
  for (const { message } of chain.blocks) {
    const { body } = gate.reopen(message);
    if (body.type !== 'PROPOSE') continue;
    for (const { sender, body: statement } of body.carried as readonly Signed[]) {
      if (statement.type !== 'METER') continue;
      const { name } = registry.neighbourhood.nodes[sender];
      const statements = [...(accounts.get(name)?.statements ?? []), statement];
      accounts.set(name, { statements, settled_Wh: (energy.get(sender)?.settled_J ?? 0) / 3600 });
    }
  }
  return accounts;
}

/**
 * In words: statements that overlap, and energy by the registers of the first and the last one that was not settled.
 * A statement that was lost on the way is no loss: the next one counts from the registers that the chain knows.
 */
export function lostOrDoubled({ statements, settled_Wh }: Account): string[] {
  const overlaps = statements.slice(1).flatMap((statement, i) => {
    const before = statements[i];
    const overlap =
      statement.importedBefore_Wh < before.imported_Wh || statement.exportedBefore_Wh < before.exported_Wh;
    return overlap ? [`statement ${i + 1} begins before the one before it ends`] : [];
  });
  const [first, last] = [statements[0], statements[statements.length - 1]];
  const moved_Wh = last.imported_Wh - first.importedBefore_Wh - (last.exported_Wh - first.exportedBefore_Wh);
  return moved_Wh === settled_Wh
    ? overlaps
    : [...overlaps, `${settled_Wh} Wh settled of ${moved_Wh} Wh by its registers`];
}
