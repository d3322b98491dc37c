/**
 * A settings file (YAML, or JSON, which YAML includes) that knows where each value stands, so that every problem
 * can name file, line and column. Reads one file, checks it against one zod schema, and reports all problems.
 */
import { readFileSync } from 'node:fs';
import { isMap, isNode, isPair, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { COMMAND } from '../adapters/invocation.ts';

export type Path = readonly PropertyKey[];

/** One thing that is wrong: where, what, what to do. `text` is the whole of it on one line. */
export interface Problem {
  readonly file: string;
  /** Dotted, such as meter.tcp or nodes[2].name; '' for the file as a whole. */
  readonly setting: string;
  readonly text: string;
}

export interface Source {
  readonly file: string;
  /** Plain data, nothing checked; undefined when the file cannot be read or is not YAML. */
  readonly value: unknown;
  readonly problems: Problem[];
  /** Adds a problem with the setting at this path. */
  report(path: Path, what: string): void;
}

/** Settings of one file with a sentence each: what to write there. Keys as in Problem.setting, indices left out. */
export type Hints = Readonly<Record<string, string>>;

export function openSource(file: string): Source {
  const problems: Problem[] = [];
  const lines = new LineCounter();
  const add = (setting: string, offset: number | undefined, what: string) => {
    const at = offset === undefined ? undefined : lines.linePos(offset);
    const where = at && at.line > 0 ? `${file}:${at.line}:${at.col}` : file;
    problems.push({ file, setting, text: setting ? `${where}: ${setting}: ${what}` : `${where}: ${what}` });
  };

  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    add(
      '',
      undefined,
      missing
        ? `no such file; check the path (${COMMAND} init makes one)`
        : `cannot be read (${(error as Error).message})`,
    );
    return { file, value: undefined, problems, report: (path, what) => add(dotted(path), undefined, what) };
  }

  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const error of document.errors) add('', error.pos[0], `not YAML here: ${error.message}`);

  /** Offset of the key (or the list item) at this path, or of the nearest thing around it that exists. */
  const offsetOf = (path: Path): number => {
    for (let depth = path.length; depth > 0; depth--) {
      const parent = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
      const name = path[depth - 1];
      if (isMap(parent)) {
        const pair = parent.items.find((item) => isPair(item) && String(item.key) === String(name));
        if (pair && isNode(pair.key) && pair.key.range) return pair.key.range[0];
      }
      const node = document.getIn(path.slice(0, depth), true);
      if (isNode(node) && node.range) return node.range[0];
    }
    return 0;
  };

  return {
    file,
    value: document.errors.length > 0 ? undefined : document.toJS({ maxAliasCount: 0 }),
    problems,
    report: (path, what) => add(dotted(path), offsetOf(path), what),
  };
}

/** The value if it fits the schema; otherwise undefined, and each misfit reported with the hint of its setting. */
export function checkShape<T extends z.ZodType>(source: Source, schema: T, hints: Hints): z.output<T> | undefined {
  if (source.value === undefined) return undefined;
  const result = schema.safeParse(source.value, { reportInput: true });
  if (result.success) return result.data;
  for (const issue of result.error.issues.flatMap(inBranch)) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const known = Object.keys(hints)
          .filter((name) => parentOf(name) === bare(issue.path))
          .map((name) => name.split('.').at(-1));
        source.report(
          [...issue.path, key],
          `unknown setting; ${known.length > 0 ? `here belong ${known.join(', ')}` : 'remove it'}`,
        );
      }
      continue;
    }
    const hint = hints[bare(issue.path)];
    source.report(issue.path, hint ? `${inWords(issue)}; ${hint}` : inWords(issue));
  }
  return undefined;
}

/** Of a choice between a word and a section, somebody who wrote a section meant the section (the last branch). */
function inBranch(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union' || typeof issue.input !== 'object') return [issue];
  return (issue.errors.at(-1) ?? []).map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

const KINDS: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section (lines of NAME: VALUE)',
};

function inWords(issue: z.core.$ZodIssue): string {
  const found = issue.input === undefined ? 'missing' : `${JSON.stringify(issue.input)?.slice(0, 60)} is`;
  if (issue.input === undefined && issue.code !== 'custom') return found;
  switch (issue.code) {
    case 'invalid_type':
      return `${found} not ${KINDS[issue.expected] ?? issue.expected}`;
    case 'too_small':
      return `${found} too small, the least is ${issue.minimum}`;
    case 'too_big':
      return `${found} too large, the most is ${issue.maximum}`;
    case 'invalid_value':
      return `${found} not one of ${issue.values.join(', ')}`;
    case 'custom':
      return issue.message;
    default:
      return `${found} not valid`;
  }
}

const dotted = (path: Path) =>
  path.reduce<string>(
    (name, part) => (typeof part === 'number' ? `${name}[${part}]` : name ? `${name}.${String(part)}` : String(part)),
    '',
  );
const bare = (path: Path) => dotted(path.filter((part) => typeof part !== 'number'));
const parentOf = (name: string) => name.split('.').slice(0, -1).join('.');
