/**
 * Copies and compares a node's state, which is plain data that `step` changes in place. Signed messages, chain states,
 * the registry and functions never change, so copies share them; any field that the core gets one day is copied and
 * compared like the others, without being named here.
 */
import type { BlockNode, ProtocolState } from '../../firmware/protocol/state.ts';

const isShared = (value: object): boolean =>
  value instanceof Uint8Array || 'payload' in value || 'candidate' in value || 'publicKeys' in value || isChain(value);

const isChain = (value: object): value is { readonly tip: string } => 'tip' in value && 'height' in value;

export function clone<T>(value: T, seen = new Map<object, object>()): T {
  if (typeof value !== 'object' || value === null || isShared(value)) return value;
  const known = seen.get(value);
  if (known !== undefined) return known as T;
  const copy: object =
    value instanceof Map ? new Map() : value instanceof Set ? new Set() : Array.isArray(value) ? [] : {};
  seen.set(value, copy);
  if (value instanceof Map)
    for (const [key, item] of value) (copy as Map<unknown, unknown>).set(key, clone(item, seen));
  else if (value instanceof Set) for (const item of value) (copy as Set<unknown>).add(clone(item, seen));
  else if (Array.isArray(value)) for (const item of value) (copy as unknown[]).push(clone(item, seen));
  else for (const key in value) (copy as Record<string, unknown>)[key] = clone(value[key], seen);
  return copy as T;
}

/**
 * What only decides when a node repeats or asks for messages again. The network of the exploration may deliver any
 * message at any time and as often as it likes, so repeating adds nothing that is not explored anyway.
 */
const REPEATING = ['syncAt_ms', 'syncPeer', 'missing', 'healAt_ms', 'healWait_ms', 'shownView'];
/** Compared otherwise (local.ts), or the same in every state. */
const ELSEWHERE = ['now_ms', 'viewSince_ms', 'votes', 'nodes', 'finalNode', 'registry', 'hours', 'hash', 'audit'];
const LEFT_OUT = new Set([...REPEATING, ...ELSEWHERE]);

/** Two states with the same text, time and votes behave alike from now on. */
export function describe(state: ProtocolState): string {
  const rest = Object.entries(state).filter(([field]) => !LEFT_OUT.has(field));
  const tree = [...state.nodes.values()].map(nodeText);
  // Of two blocks of one view the first heard counts; between views their order says nothing.
  const sorted = tree.map((text, i) => ({ text, i })).sort((a, b) => a.text.view - b.text.view || a.i - b.i);
  return `${text(rest)}|${text(sorted.map((each) => Object.values(each.text)))}|${nodeText(state.finalNode).id}`;
}

const nodeText = ({ state, view, parent, notarized, final }: BlockNode) => ({
  view,
  id: state.tip,
  parent: parent?.state.tip ?? '',
  notarized,
  final,
});

/** Canonical text of plain data; maps and sets by their keys, messages and chains by their ids. */
function text(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if ('id' in value && 'payload' in value) return value.id as string;
  if (isChain(value)) return value.tip;
  if (value instanceof Map)
    return `{${[...value]
      .map(([key, item]) => `${text(key)}:${text(item)}`)
      .sort()
      .join()}}`;
  if (value instanceof Set) return `{${[...value].map(text).sort().join()}}`;
  if (Array.isArray(value)) return `[${value.map(text).join()}]`;
  return `{${Object.entries(value)
    .map(([key, item]) => `${key}:${text(item)}`)
    .join()}}`;
}
