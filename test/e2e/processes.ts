/** The processes of this machine whose command line names a text (Linux): to see that nothing is left running. */
import { readdirSync, readFileSync } from 'node:fs';

export function processesWith(text: string): { pid: number; command: string }[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return command.includes(text) ? [{ pid: Number(pid), command }] : [];
    } catch {
      return []; // it has ended since
    }
  });
}
