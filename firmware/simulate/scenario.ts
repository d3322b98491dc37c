/**
 * The scenario file: a trading day on which the power fluctuation is measured (test/scenarios-data/README.md).
 * Checked once, here: a bad file gives the field, the place and the reason.
 */
import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';

const whole = z.number().int().min(0).max(1e12);
/**
 * Bounds of what was measured: each alone took 21 s of processor time at most. The forecast of each round goes over eight
 * days, so a day of 86,400 rounds would take 3,600 times as long as one of 1,440.
 */
const MAX_ROUNDS = 1440;
const MAX_ORDERS = 1_000_000;
const MAX_FILE_MB = 200;

/** A name is shown on a terminal. */
const name = z
  .string()
  .min(1)
  .max(64)
  .regex(/^\P{C}*$/u, 'has a control character');

const Day = z.strictObject({ load_w: z.array(whole), buy_w: z.array(whole), sell_w: z.array(whole) });

const Order = z.strictObject({
  id: name,
  round: whole,
  side: z.enum(['buy', 'sell']),
  connector: z.enum(['slow', 'fast', 'rapid']).optional(),
  power_w: z.number().int().min(1).max(1e9),
  energy_wh: whole.optional(),
});

const Shape = z
  .strictObject({
    name,
    round_time_s: z.number().int().min(1).max(86_400),
    rounds: z.number().int().min(1).max(MAX_ROUNDS, `more than ${MAX_ROUNDS}: a round is a minute at least`),
    capacity_w: whole,
    export_limit_w: whole.optional(),
    max_wait_rounds: z.number().int().min(0).max(1000),
    charging_efficiency_ppm: z.number().int().min(1).max(1_000_000),
    discharging_efficiency_ppm: z.number().int().min(1).max(1_000_000),
    load_w: z.array(whole),
    history: z.array(Day),
    orders: z.array(Order).max(MAX_ORDERS),
  })
  .superRefine((day, context) => {
    const fault = (path: PropertyKey[], message: string): void => context.addIssue({ code: 'custom', path, message });
    if (day.rounds * day.round_time_s !== 86_400)
      fault(['rounds'], `${day.rounds} rounds of ${day.round_time_s} s are not a day of 86,400 s`);
    const length = (path: PropertyKey[], list: readonly number[]): void => {
      if (list.length !== day.rounds) fault(path, `has ${list.length} values, but the day has ${day.rounds} rounds`);
    };
    length(['load_w'], day.load_w);
    day.history.forEach((past, i) => {
      for (const key of ['load_w', 'buy_w', 'sell_w'] as const) length(['history', i, key], past[key]);
    });
    const seen = new Map<string, number>();
    day.orders.forEach((order, i) => {
      if (order.round >= day.rounds)
        fault(['orders', i, 'round'], `round ${order.round} is after the last round, ${day.rounds - 1}`);
      const first = seen.get(order.id);
      if (first !== undefined) fault(['orders', i, 'id'], `"${order.id}" is also the id of orders[${first}]`);
      else seen.set(order.id, i);
    });
  });

export type Scenario = z.infer<typeof Shape>;

/** What is wrong with a scenario file, one line a fault. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
}

const place = (path: readonly PropertyKey[]): string =>
  path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? String(part) : `.${String(part)}`))
    .join('');

const MAX_FAULTS_SHOWN = 10;

/** What a field must be, in words; every number here is whole. */
const KINDS: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a whole number',
  string: 'a text',
  array: 'a list',
  object: 'an object',
};

/** Undefined where Zod's own words will do. */
function inWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'invalid_type') return undefined;
  if (issue.input === undefined) return 'missing';
  return `${JSON.stringify(issue.input).slice(0, 60)} is not ${KINDS[issue.expected] ?? issue.expected}`;
}

/** What a file says may go to a terminal only without its control characters. */
const printable = (text: string): string =>
  text.replace(/\p{C}/gu, (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`);

/** Throws ScenarioError with the field, the place and the reason of each fault (the first ten). */
export function parseScenario(text: string, file: string): Scenario {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new ScenarioError(printable(`${file}: not JSON: ${(error as Error).message}`));
  }
  const result = Shape.safeParse(content, { error: inWords });
  if (result.success) return result.data;
  const { issues } = result.error;
  const lines = issues
    .slice(0, MAX_FAULTS_SHOWN)
    .map(({ path, message }) => printable(`${file}: ${place(path) || 'the file'}: ${message}`));
  if (issues.length > MAX_FAULTS_SHOWN) lines.push(`${file}: and ${issues.length - MAX_FAULTS_SHOWN} more`);
  throw new ScenarioError(lines.join('\n'));
}

/** Throws ScenarioError. */
export function readScenario(file: string): Scenario {
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > MAX_FILE_MB * 1e6)
      throw new Error(`${Math.ceil(size / 1e6)} MB, but a scenario has ${MAX_FILE_MB} MB at most`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ScenarioError(`${file}: cannot be read: ${(error as Error).message}`);
  }
  return parseScenario(text, file);
}
