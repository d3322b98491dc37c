/** One simulated run in a thread of its own: seeds share nothing, so they may run side by side. */
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { type Report, type RunOptions, simulate } from './simulate.ts';

/** What a thread can be given: no functions. */
export type PlainOptions = Omit<RunOptions, 'tell' | 'core' | 'trouble'>;

export function inThread(options: PlainOptions): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { simulate: options } });
    worker.once('message', resolve).once('error', reject);
  });
}

if (workerData?.simulate !== undefined) parentPort?.postMessage(simulate(workerData.simulate));
