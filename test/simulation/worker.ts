/** Simulated runs in a thread of its own: seeds share nothing, so they may run side by side. */
import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { type Report, type RunOptions, simulate } from './simulate.ts';

/** What a thread can be given: no functions. */
export type PlainOptions = Omit<RunOptions, 'tell' | 'core' | 'trouble'>;

/** A thread that has read its program and waits for a run: what that takes is not part of the run. */
export async function thread(): Promise<(options: PlainOptions) => Promise<Report>> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { simulates: true } });
  await once(worker, 'message');
  return async (options) => {
    worker.postMessage(options);
    const [report] = await once(worker, 'message');
    return report;
  };
}

if (workerData?.simulates) {
  parentPort?.on('message', (options: PlainOptions) => parentPort?.postMessage(simulate(options)));
  parentPort?.postMessage('ready');
}
