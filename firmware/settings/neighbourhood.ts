/**
 * The neighbourhood file, checked in full before anything starts: every number within its bounds, and the numbers
 * with each other. The same file goes to every node, so a mistake here is everyone's.
 */
import { z } from 'zod';
import { type PublicKeyFlaw, publicKeyFlaw } from '../adapters/ed25519.ts';
import type { Neighbourhood, RegisteredNode } from '../protocol/genesis.ts';
import { POWER_MAX_W } from '../protocol/limits.ts';
import { checkShape, type Hints, openSource, type Problem, type Source } from './source.ts';

/** Fewer than four cannot agree; they charge within their safe shares (alone.ts). */
const LEAST_CHARGE_POINTS = 1;
const DAY_s = 86_400;

/** A name that fits into an MQTT topic and a client id without any escape. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/;
export const NAME_HINT = 'write up to 32 letters, digits and hyphens';

const HINTS: Hints = {
  microgrid: NAME_HINT,
  roundTime_s: 'write seconds, such as 300',
  capacity_W: 'write the import limit at the head meter in W, such as 100000',
  exportLimit_W: 'write the export limit at the head meter in W, 0 for none',
  margin_W:
    "write the W by which the households' power may move from one round to the next, kept free under both limits",
  maxWait_rounds: 'write how many rounds an order may wait, such as 2',
  lookAhead_rounds: 'write how many rounds a schedule looks ahead, such as 24',
  chargingEfficiency_ppm: 'write parts per million, such as 950000 for 95 %',
  dischargingEfficiency_ppm: 'write parts per million, such as 950000 for 95 %',
  loadProfile_W: 'write one W value for each round of a UTC day, or leave it out',
  nodes: 'list every charge point and the head meter, in the same order everywhere',
  'nodes.name': NAME_HINT,
  'nodes.publicKey': 'write the 64 hexadecimal digits that p2pebt init printed at that node',
  'nodes.role': 'write charge-point, head-meter or registrar',
  'nodes.operator': 'write who runs it, or leave it out: each such node stands for itself',
  'nodes.connector': 'write kind, charge_W and discharge_W',
  'nodes.connector.kind': 'write slow, fast or rapid',
  'nodes.connector.charge_W': 'write the AC rating in W (not kW), such as 11000',
  'nodes.connector.discharge_W': 'write the AC rating for feeding back in W, 0 for none',
  'nodes.safeShare_W': 'write what it may draw without any agreement, in W',
};

const power = z.int().min(0).max(POWER_MAX_W);
const siteLimit = z.int().min(0).max(100_000_000);
const efficiency = z.int().min(500_000).max(1_000_000);
const name = z
  .string()
  .refine((text) => NAME.test(text), { error: ({ input }) => `${JSON.stringify(input)} cannot be a name` });

const KEY_FLAWS: Record<PublicKeyFlaw, string> = {
  length: 'not a public key',
  'not-a-point': 'not a point of the curve: a digit is wrong',
  'small-order': 'a key of small order: anyone could sign for it',
};

const publicKey = z.string().check(({ value, issues }) => {
  const flaw = /^[0-9a-f]{64}$/.test(value) ? publicKeyFlaw(Buffer.from(value, 'hex')) : 'length';
  if (flaw)
    issues.push({
      code: 'custom',
      input: value,
      message: `${JSON.stringify(value.slice(0, 70))} is ${KEY_FLAWS[flaw]}`,
    });
});

const schema = z.strictObject({
  microgrid: name,
  roundTime_s: z
    .int()
    .min(60)
    .max(3600)
    .refine((value) => DAY_s % value === 0, {
      error: ({ input }) => `${input} does not divide a day (86400 s)`,
    }),
  capacity_W: siteLimit.min(1),
  exportLimit_W: siteLimit,
  margin_W: siteLimit,
  maxWait_rounds: z.int().min(0).max(12),
  lookAhead_rounds: z.int().min(1).max(48),
  chargingEfficiency_ppm: efficiency,
  dischargingEfficiency_ppm: efficiency,
  loadProfile_W: z.array(z.int().min(-100_000_000).max(100_000_000)).optional(),
  nodes: z.array(
    z.strictObject({
      name,
      publicKey,
      role: z.enum(['charge-point', 'head-meter', 'registrar']),
      operator: name.optional(),
      connector: z
        .strictObject({ kind: z.enum(['slow', 'fast', 'rapid']), charge_W: power.min(1_000), discharge_W: power })
        .optional(),
      safeShare_W: power,
    }),
  ),
});

type Loose = { [K in keyof Neighbourhood]?: unknown };
type LooseNode = { [K in keyof RegisteredNode]?: unknown };

/** The neighbourhood, or every problem of the file at once. */
export function readNeighbourhood(file: string): {
  readonly neighbourhood?: Neighbourhood;
  readonly problems: readonly Problem[];
} {
  const source = openSource(file);
  const value = checkShape(source, schema, HINTS);
  if (typeof source.value === 'object' && source.value !== null) checkTogether(source, source.value);
  if (!value || source.problems.length > 0) return { problems: source.problems };
  return { neighbourhood: deepFreeze(value) as Neighbourhood, problems: [] };
}

/** What the numbers must be to each other. Looks at whatever is well-formed, so that one typing error hides nothing. */
function checkTogether(source: Source, raw: Loose): void {
  const all: LooseNode[] = Array.isArray(raw.nodes)
    ? raw.nodes.map((node) => (typeof node === 'object' && node ? node : {}))
    : [];
  const { report } = source;

  for (const field of ['name', 'publicKey'] as const) {
    const seen = new Map<unknown, number>();
    for (const [index, node] of all.entries()) {
      const value = node[field];
      if (typeof value !== 'string') continue;
      const before = seen.get(value);
      if (before === undefined) seen.set(value, index);
      else report(['nodes', index, field], `the same as nodes[${before}].${field}; each node has its own`);
    }
  }

  const chargePoints = all.filter(({ role }) => role === 'charge-point').length;
  const meters = all.filter(({ role }) => role === 'head-meter').length;
  if (Array.isArray(raw.nodes)) {
    if (chargePoints < LEAST_CHARGE_POINTS)
      report(['nodes'], `${chargePoints} charge points; list at least one node with role charge-point`);
    if (meters !== 1) report(['nodes'], `${meters} head meters; list exactly one node with role head-meter`);
  }

  const registrars = all.filter(({ role }) => role === 'registrar').length;
  if (registrars > 1) report(['nodes'], `${registrars} registrars; list one at most`);

  for (const [index, node] of all.entries()) {
    const rating = (node.connector as { charge_W?: unknown } | undefined)?.charge_W;
    if (node.role === 'charge-point' && node.connector === undefined)
      report(['nodes', index], `a charge point without a connector; ${HINTS['nodes.connector']}`);
    const isOther = node.role === 'head-meter' || node.role === 'registrar';
    if (isOther && node.connector !== undefined)
      report(['nodes', index, 'connector'], `a ${node.role} has no connector; remove it`);
    if (isOther && isWhole(node.safeShare_W) && node.safeShare_W !== 0)
      report(['nodes', index, 'safeShare_W'], `a ${node.role} draws nothing; write 0`);
    if (isWhole(node.safeShare_W) && isWhole(rating) && node.safeShare_W > rating)
      report(
        ['nodes', index, 'safeShare_W'],
        `${node.safeShare_W} W is more than its connector's charge_W (${rating} W)`,
      );
  }

  const { capacity_W, margin_W } = raw;
  const free_W = isWhole(capacity_W) ? capacity_W - (isWhole(margin_W) ? margin_W : 0) : undefined;
  const shares_W = all.reduce((sum, node) => sum + (isWhole(node.safeShare_W) ? node.safeShare_W : 0), 0);
  const profile = Array.isArray(raw.loadProfile_W) ? raw.loadProfile_W.filter(isWhole) : [];
  const peak_W = profile.reduce((most, load_W) => Math.max(most, load_W), 0);
  if (free_W !== undefined && shares_W + peak_W > free_W)
    report(
      ['capacity_W'],
      `the safe shares (${shares_W} W)${peak_W > 0 ? ` and the households' highest load (${peak_W} W)` : ''} exceed what ` +
        `capacity_W less margin_W leaves (${free_W} W); lower safeShare_W of the nodes`,
    );
  if (
    isWhole(raw.roundTime_s) &&
    DAY_s % raw.roundTime_s === 0 &&
    profile.length > 0 &&
    profile.length !== DAY_s / raw.roundTime_s
  )
    report(
      ['loadProfile_W'],
      `${profile.length} values; a day has ${DAY_s / raw.roundTime_s} rounds of ${raw.roundTime_s} s`,
    );
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
