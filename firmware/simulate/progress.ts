/**
 * Progress of a long run on stderr. On a terminal it is one line that is overwritten and cleared at the end; where stderr
 * is a file or a pipe, a line now and then.
 */

/** So long a run says nothing, and so far apart are its lines. */
const TERMINAL_ms = { first: 1000, next: 250 };
const PIPE_ms = { first: 5000, next: 10_000 };

interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export function progressOf(name: string, rounds: number, output: Output, now_ms: () => number) {
  const terminal = output.isTTY === true;
  const wait_ms = terminal ? TERMINAL_ms : PIPE_ms;
  let due_ms = now_ms() + wait_ms.first;
  let shown = 0;
  return {
    round(round: number): void {
      if (now_ms() < due_ms) return;
      due_ms = now_ms() + wait_ms.next;
      const text = `${name}: round ${round + 1} of ${rounds}`;
      output.write(terminal ? `\r${text}` : `${text}\n`);
      shown = text.length;
    },
    end(): void {
      if (terminal && shown > 0) output.write(`\r${' '.repeat(shown)}\r`);
    },
  };
}
