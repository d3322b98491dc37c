/**
 * Stories of the protocol as text (test/scenarios/*.txt): commands, a line of dashes, and what then happens. A command
 * is a line of words; "in 2" or "in 2-3" says in which rounds of the story, counted from 1. `seal-leader` and
 * `schedule-leader` are the nodes that lead the first view of a decision in that round.
 *
 *   nodes 4 | seed 1 | rounds 3
 *   in 2 silent NODE...                    in 2 lies NODE LIE
 *   in 2 stolen NODE                       whoever has its first key orders with it
 *   in 2 apart NODE...                     from the others; they hear one another
 *   in 2 crash NODE at 130 back 220 [losing 2]   seconds into the deciding interval; votes that its disk loses
 *   in 2 registrar rotates NODE            or adds NODE, which starts in that round, or removes NODE
 *   in 2 late TYPE of NODE by 9 [to NODE...]   seconds; everybody unless named
 *   shows WORDS                            what the story is told for: without these words it fails
 */
import type { Amendment, Signed } from '../../firmware/protocol/messages.ts';
import type { Registry } from '../../firmware/protocol/registry.ts';
import { firstView, leaderOf } from '../../firmware/protocol/round.ts';
import type { Lie } from '../simulation/byzantine.ts';
import { LIES } from '../simulation/byzantine.ts';
import type { Crash, Trouble } from '../simulation/faults.ts';
import { add, neighbourhoodOf, rotate } from '../simulation/neighbourhood.ts';
import { type Line, simulate } from '../simulation/simulate.ts';

const LATENCY_MS = 100;
const FIRST_ROUND = 1000;

interface Command {
  readonly from: number;
  readonly to: number;
  readonly words: readonly string[];
}

interface Script {
  readonly nodes: number;
  readonly seed: number;
  readonly rounds: number;
  readonly commands: readonly Command[];
  readonly points: readonly string[];
}

function parse(text: string): Script {
  const numbers = new Map<string, number>();
  const commands: Command[] = [];
  const points: string[] = [];
  for (const line of text.split('\n').filter((each) => each.trim() !== '' && !each.startsWith('#'))) {
    const [first, second, ...words] = line.trim().split(/\s+/);
    if (first === 'in') {
      const [from, to] = second.split('-').map(Number);
      commands.push({ from, to: to ?? from, words });
    } else if (first === 'shows') points.push([second, ...words].join(' '));
    else if (['nodes', 'seed', 'rounds'].includes(first)) numbers.set(first, Number(second));
    else throw new Error(`scenario: "${line}" is no command`);
  }
  const { nodes = 4, seed = 1, rounds = 2 } = Object.fromEntries(numbers);
  return { nodes, seed, rounds, commands, points };
}

const AMENDMENTS: Readonly<Record<string, (node: number, name: string) => Amendment>> = {
  rotates: rotate,
  adds: (_, name) => add(name),
  removes: (node) => ({ op: 'remove', node }),
};

/** What the registrar says, by round counted from 0, and the names of all nodes by index. */
function membersOf({ nodes, commands }: Script): { changes: Map<number, readonly Amendment[]>; names: string[] } {
  const said = commands.filter(({ words }) => words[0] === 'registrar');
  const names = neighbourhoodOf(nodes, 'wide', said.length > 0).nodes.map(({ name }) => name);
  const changes = new Map<number, readonly Amendment[]>();
  for (const { from, words } of said) {
    const [, verb, name] = words;
    if (verb === 'adds') names.push(name);
    if (AMENDMENTS[verb] === undefined || !names.includes(name))
      throw new Error(`scenario: the registrar cannot say "${verb} ${name}"`);
    changes.set(from - 1, [...(changes.get(from - 1) ?? []), AMENDMENTS[verb](names.indexOf(name), name)]);
  }
  return { changes, names };
}

function trouble(script: Script, registry: Registry, nodes: readonly string[]): Trouble {
  let active: readonly (readonly string[])[] = [];
  let round = 0;
  let crashes: Crash[] = [];
  const index = (name: string): number => {
    if (name === 'seal-leader') return leaderOf(registry, firstView(round, 'SEAL'));
    if (name === 'schedule-leader') return leaderOf(registry, firstView(round, 'SCHEDULE'));
    const found = nodes.indexOf(name);
    if (found < 0) throw new Error(`scenario: no node ${name}`);
    return found;
  };
  const of = (verb: string): readonly (readonly string[])[] =>
    active.filter(([word]) => word === verb).map(([, ...rest]) => rest);
  const liars = new Set<number>();
  for (const { from, words } of script.commands) {
    round = FIRST_ROUND + from - 1;
    if (words[0] === 'lies') liars.add(index(words[1]));
  }
  return {
    liars,
    calmRounds: 0,
    get crashes() {
      return crashes;
    },
    get stolen() {
      return of('stolen').map(([name]) => index(name));
    },
    begin(at, now_ms) {
      round = FIRST_ROUND + at;
      active = script.commands.filter(({ from, to }) => from <= at + 1 && at + 1 <= to).map(({ words }) => words);
      crashes = of('crash').map(([name, , at_s, , back_s, , lost = 0]) => ({
        node: index(name),
        at_ms: now_ms + Number(at_s) * 1000,
        back_ms: now_ms + Number(back_s) * 1000,
        stage: 'before-send',
        lost: Number(lost),
      }));
    },
    lieOf(node): Lie | null {
      const lie = of('lies').find(([name]) => index(name) === node)?.[1];
      return LIES.find((each) => each === lie) ?? null;
    },
    skew_ms: () => 0,
    delays_ms(from, to, message: Signed): readonly number[] {
      if (of('silent').some((names) => names.some((name) => index(name) === from))) return [];
      for (const names of of('apart')) {
        const side = (node: number): boolean => names.some((name) => index(name) === node);
        if (side(from) !== side(to)) return [];
      }
      for (const [type, , name, , by_s, , ...names] of of('late')) {
        const hits = names.length === 0 || names.some((each) => index(each) === to);
        if (message.body.type === type && message.sender === index(name) && from === message.sender && hits)
          return [Number(by_s) * 1000];
      }
      return [LATENCY_MS];
    },
  };
}

/** What the commands lead to, one line an event; what several nodes say alike is one line. */
export function tellStory(commands: string): string {
  const script = parse(commands);
  const events: { readonly line: Line; readonly nodes: string[] }[] = [];
  const { changes, names: neighbours } = membersOf(script);
  const named = (text: string): string => text.replace(/\bnode (\d+)/g, (_, index) => neighbours[index]);
  const { violation, finalInTime, rounds } = simulate({
    ...script,
    rule: 'eq11', // of all, so that a story tells no more than it is about
    ...(changes.size > 0 && { changes }),
    trouble: (registry) => trouble(script, registry, neighbours),
    tell(line) {
      if (line.code === 'round-begins') return;
      const same = events.find((event) => event.line.round === line.round && event.line.text === line.text);
      if (same) same.nodes.push(line.node);
      else events.push({ line, nodes: [line.node] });
    },
  });
  const story: string[] = [];
  let last = -1;
  for (const { line, nodes } of events) {
    if (line.round !== last) story.push(`round ${line.round - FIRST_ROUND + 1}`);
    last = line.round;
    const names = new Set(nodes);
    const arrived = [...changes].filter(([round]) => FIRST_ROUND + round <= line.round).flatMap(([, said]) => said);
    const who =
      names.size > script.nodes + arrived.filter(({ op }) => op === 'add').length ? 'all' : [...names].join(' ');
    story.push(`  ${line.offset_s.toFixed(1).padStart(5)} s  ${who}: ${named(line.text)}`);
  }
  story.push(`verdict: ${violation?.text ?? 'no invariant broke'}; ${finalInTime} of ${rounds} rounds final in time`);
  for (const point of script.points)
    if (!story.some((line) => line.includes(point)))
      throw new Error(`scenario: nothing shows "${point}" any more:\n${story.join('\n')}`);
  return `${story.join('\n')}\n`;
}
