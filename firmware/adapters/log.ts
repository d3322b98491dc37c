/** The device's log: one JSON object a line on standard output, where journald or a container keeps it. */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type Log = Logger;

/** Lines carry the node's name, the level as a word and the wall's time in ISO 8601, whatever clock the node follows. */
export function createLog(node: string, level: LogLevel, destination?: DestinationStream): Log {
  const options = {
    level,
    base: { node },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination ? pino(options, destination) : pino(options);
}
