/**
 * House rules as tests: who may import whom (test/imports.cjs), what the deterministic core may not touch, headers,
 * leftovers. Each rule is shown an offender and must object, so that no rule can fall silent unnoticed.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import ts from 'typescript';
import { afterAll, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'p2pebt-tidy-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, source] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(name)), { recursive: true });
    writeFileSync(join(folder, name), source);
  }
}

describe('imports', () => {
  const { forbidden, options } = createRequire(import.meta.url)('./imports.cjs');
  const rules: string[] = forbidden.map(({ name }: { name: string }) => name);

  async function violations(baseDir: string): Promise<string[]> {
    const folders = ['firmware', 'hal', 'sim-hardware', 'test'];
    const { output } = await cruise(folders, { ...options, baseDir, validate: true, ruleSet: { forbidden } });
    return (output as ICruiseResult).summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`);
  }

  test('the program keeps to the table', async () => {
    expect(await violations(root)).toEqual([]);
  });

  /** By rule, files that break it; `x` is a value and `X` a type that every ordinary file exports. */
  const value = (path: string): string => `import { x } from '${path}';\nexport const y = x;\n`;
  const offenders: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    'firmware-without-simulation': { 'firmware/o1.ts': value('../sim-hardware/world.ts') },
    'nobody-imports-test': { 'hal/drivers/o2.ts': value('../../test/helper.ts') },
    'hal-seams': { 'hal/ports.ts': value('./drivers/meter.ts') },
    'hal-below': { 'hal/drivers/o3.ts': value('../../firmware/runtime.ts') },
    'protocol-alone': {
      'firmware/protocol/o4.ts': "import { readFileSync } from 'node:fs';\nexport const y = readFileSync;\n",
    },
    'protocol-ports-are-types': { 'firmware/protocol/o5.ts': value('../ports.ts') },
    'benefit-alone': { 'firmware/protocol/benefit/o6.ts': value('../step.ts') },
    'solver-outside': { 'firmware/solver/o7.ts': value('../protocol/step.ts') },
    'control-alone': { 'firmware/control/o8.ts': value('../protocol/step.ts') },
    'control-types': { 'firmware/control/o9.ts': value('../../hal/ports.ts') },
    'adapters-at-the-edge': { 'firmware/adapters/o10.ts': value('../protocol/step.ts') },
    'runtime-thin': { 'firmware/runtime.ts': `${value('./adapters/gate.ts')}export { x as x2 } from './config.ts';\n` },
    'page-shows': { 'firmware/page/o11.ts': value('../runtime.ts') },
    'main-on-top': { 'firmware/o12.ts': value('./main.ts') },
    'bench-only': { 'sim-hardware/o13.ts': value('../firmware/ports.ts') },
    'world-by-wire': { 'sim-hardware/o14.ts': value('../hal/drivers/meter.ts') },
    'library-unlisted': { 'firmware/o15.ts': "import 'left-pad';\n" },
    'library-missing': { 'firmware/o16.ts': "import 'nowhere-to-be-found';\n" },
    'no-circle': {
      'hal/drivers/o17.ts': value('./o18.ts'),
      'hal/drivers/o18.ts': "import './o17.ts';\nexport const x = 1;\n",
    },
    'dead-file': { 'hal/drivers/o19.ts': 'export const x = 1;\n' },
    ...Object.fromEntries(
      rules
        .filter((name) => name.startsWith('library-') && !/unlisted|missing/.test(name))
        .map((name, i) => [name, { [`firmware/library${i}.ts`]: `import '${name.slice('library-'.length)}';\n` }]),
    ),
  };
  const ordinary = [
    'firmware/cli',
    'firmware/main',
    'firmware/config',
    'firmware/ports',
    'firmware/adapters/gate',
    'firmware/protocol/step',
    'hal/units',
    'hal/drivers/meter',
    'sim-hardware/main',
    'sim-hardware/world',
    'test/helper',
  ];

  test('each rule objects to its offender, and to nothing else in that tree', async () => {
    const folder = join(scratch, 'imports');
    const libraries = [...rules.flatMap((name) => name.match(/^library-(.*)/)?.[1] ?? []), 'left-pad'];
    write(folder, {
      'package.json': '{ "type": "module" }',
      ...Object.fromEntries(ordinary.map((name) => [`${name}.ts`, 'export const x = 1;\nexport type X = 1;\n'])),
      ...Object.assign({}, ...Object.values(offenders)),
      ...Object.fromEntries(
        libraries.flatMap((name) => [
          [`node_modules/${name}/package.json`, `{ "name": "${name}", "version": "1.0.0", "main": "index.js" }`],
          [`node_modules/${name}/index.js`, ''],
        ]),
      ),
    });
    const found = new Set(await violations(folder));
    for (const rule of rules) {
      const files = Object.keys(offenders[rule] ?? {});
      expect(
        files.some((file) => found.has(`${rule}: ${file}`)),
        `${rule} objects to ${files}`,
      ).toBe(true);
    }
    // Nothing leads to the offenders, so all of them are dead files too; no ordinary file breaks another rule.
    const elsewhere = [...found].filter(
      (line) => !line.startsWith('dead-file') && ordinary.some((name) => line.endsWith(`: ${name}.ts`)),
    );
    expect(elsewhere).toEqual([]);
  });
});

/** Names of the world outside: time, chance, input and output, and whatever answers later. */
const OUTSIDE = new Set(
  `Date performance crypto process Promise fetch setTimeout setInterval setImmediate queueMicrotask console globalThis
  global window navigator WebSocket Worker Intl require eval Function SharedArrayBuffer Atomics WeakRef`.split(/\s+/),
);
/** What Math may do in the core: exact on whole numbers. The rest is a float, and its last digit the engine's. */
const EXACT_MATH = new Set(['floor', 'trunc', 'ceil', 'abs', 'imul', 'min', 'max', 'sign']);
const ROUNDING = new Set(['floor', 'trunc', 'ceil']);
/** Depends on the place, or makes a float or its text. */
const LOCAL = new Set(['localeCompare', 'toLocaleString', 'toFixed', 'toPrecision', 'toExponential', 'parseFloat']);
/** Divisions of numbers that leave no rest, with the reason. */
const EXACT_DIVISIONS = new Map([['86_400 / facts.roundTime_s', 'ROUNDTIME divides a day (genesis.ts)']]);

/** What the source files of the core must not contain, as `file: complaint: text`. */
function coreComplaints(files: readonly string[]): string[] {
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2024,
    module: ts.ModuleKind.NodeNext,
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    types: [],
  });
  const checker = program.getTypeChecker();
  const isBigint = (node: ts.Node): boolean => (checker.getTypeAtLocation(node).flags & ts.TypeFlags.BigIntLike) !== 0;
  /** A name that stands for a value and is not one of the core's own. */
  const isForeign = (node: ts.Identifier): boolean => {
    const { parent } = node;
    const isField = (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent)) && parent.name === node;
    const declared = checker.getSymbolAtLocation(node)?.declarations ?? [];
    return !isField && !declared.some((each) => files.includes(each.getSourceFile().fileName));
  };
  const calleeOf = (node: ts.Node): string => (ts.isCallExpression(node) ? node.expression.getText() : '');
  const complaints: string[] = [];

  for (const file of files) {
    const source = program.getSourceFile(file)!;
    const complain = (what: string, node: ts.Node): void =>
      void complaints.push(`${file.slice(file.lastIndexOf('protocol/'))}: ${what}: ${node.getText(source)}`);

    const visit = (node: ts.Node): void => {
      const { parent } = node;
      if (ts.isIdentifier(node) && OUTSIDE.has(node.text) && isForeign(node)) complain('outside', node);
      if (node.kind === ts.SyntaxKind.AsyncKeyword || ts.isAwaitExpression(node)) complain('later', parent);
      if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) complain('later', node);
      if (ts.isNumericLiteral(node) && /\.|e-/i.test(node.getText(source))) complain('float', parent);
      if (ts.isPropertyAccessExpression(node)) {
        const { expression, name } = node;
        if (expression.getText(source) === 'Math' && !EXACT_MATH.has(name.text)) complain('float', node);
        if (LOCAL.has(name.text)) complain('local', node);
      }
      if (ts.isIdentifier(node) && node.text === 'parseFloat' && isForeign(node)) complain('local', node);
      if (ts.isBinaryExpression(node) && isDivision(node.operatorToken.kind) && !isBigint(node.left)) {
        const holder = ts.isParenthesizedExpression(parent) ? parent.parent : parent;
        const rounded = /^Math\.(\w+)$/.exec(calleeOf(holder))?.[1] ?? '';
        if (!ROUNDING.has(rounded) && !EXACT_DIVISIONS.has(node.getText(source))) complain('division', node);
      }
      if (ts.isVariableStatement(node) && ts.isSourceFile(parent)) {
        const { flags, declarations } = node.declarationList;
        if (!(flags & ts.NodeFlags.Const)) complain('shared state', node);
        for (const { initializer } of declarations)
          if (
            initializer &&
            ts.isNewExpression(initializer) &&
            /^(Weak)?(Map|Set)$|^Array$/.test(initializer.expression.getText(source))
          )
            complain('shared state', node);
      }
      if (ts.isPropertyDeclaration(node) && node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword))
        complain('shared state', node);
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return complaints;
}

const isDivision = (kind: ts.SyntaxKind): boolean =>
  kind === ts.SyntaxKind.SlashToken || kind === ts.SyntaxKind.SlashEqualsToken;

const filesOf = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|cjs|mjs|js)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));

describe('the deterministic core', () => {
  test('knows no clock, no chance, no input or output, no promise, no float and no shared state', () => {
    expect(coreComplaints(filesOf('firmware/protocol'))).toEqual([]);
  });

  test('every exact division that is excused is still there', () => {
    const text = filesOf('firmware/protocol')
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    for (const [division] of EXACT_DIVISIONS) expect(text).toContain(division);
  });

  const mutants: readonly (readonly [string, string])[] = [
    ['outside', 'export const now = () => Date.now();'],
    ['outside', 'export const now = () => performance.now();'],
    ['outside', 'export const id = () => crypto.randomUUID();'],
    ['outside', 'export const wait = (run: () => void) => setTimeout(run, 1);'],
    ['outside', 'export const home = () => process.env.HOME;'],
    ['outside', 'export const get = () => fetch("http://peer");'],
    ['outside', 'export const soon = () => Promise.resolve(1);'],
    ['outside', 'export const say = () => console.log(1);'],
    ['later', 'export async function soon() { return 1; }'],
    ['later', 'export const load = () => import("./step.ts");'],
    ['float', 'export const dice = () => Math.random();'],
    ['float', 'export const root = (x: number) => Math.sqrt(x);'],
    ['float', 'export const root = (x: number) => Math.cbrt(x);'],
    ['float', 'export const grow = (x: number) => Math.exp(x);'],
    ['float', 'export const half = 0.5;'],
    ['float', 'export const tiny = 1e-3;'],
    ['division', 'export const half = (x: number) => x / 2;'],
    ['division', 'export const half = (x: number) => Math.max(x / 2, 1);'],
    ['division', 'export function half(x: number) { x /= 2; return x; }'],
    ['local', 'export const sort = (a: string, b: string) => a.localeCompare(b);'],
    ['local', 'export const kw = (w: number) => w.toFixed(1);'],
    ['shared state', 'let count = 0; export const next = () => (count += 1);'],
    ['shared state', 'const seen = new Map<string, number>(); export const size = () => seen.size;'],
    ['shared state', 'export class Core { static last = 0; }'],
  ];

  test('each rule objects to its mutants', () => {
    const files = mutants.map(([, source], i) => {
      write(scratch, { [`core/protocol/mutant${i}.ts`]: source });
      return join(scratch, `core/protocol/mutant${i}.ts`);
    });
    const complaints = coreComplaints(files);
    const answers = mutants.map(([, source], i) => {
      const about = complaints.filter((line) => line.startsWith(`protocol/mutant${i}.ts: `));
      return [about[0]?.split(': ')[1], source];
    });
    expect(answers).toEqual(mutants);
  });

  test('what the rules allow: exact division, bigint, names of fields', () => {
    const file = join(scratch, 'core/protocol/fine.ts');
    write(scratch, {
      'core/protocol/fine.ts': `
        export const halves = (x: number, y: bigint) => [Math.floor(x / 2), Math.trunc((x * 3) / 2), y / 2n];
        export interface Note { readonly process: number; readonly Date: string }
        export const name = (note: Note) => note.process + note.Date;`,
    });
    expect(coreComplaints([file])).toEqual([]);
  });
});

describe('every file', () => {
  const headless = (source: string): boolean => !/^(#!.*\n)?\s*(\/\*\*?|\/\/|<!--)/.test(source);
  const leftover = (source: string): string | undefined =>
    /\b(TODO|FIXME|XXX|HACK)\b|\b(test|it|describe)\.only\(|\bdebugger;/.exec(source)?.[0];
  const program = ['firmware', 'hal', 'sim-hardware'].flatMap(filesOf);

  test('of the program begins by saying what it is', () => {
    expect(program.filter((file) => headless(readFileSync(file, 'utf8')))).toEqual([]);
    expect(headless("import x from 'y';\n/** Later. */")).toBe(true);
  });

  test('is finished: no reminder, no test run alone, no breakpoint', () => {
    const own = import.meta.filename; // names them
    const files = [...program, ...filesOf('test')].filter((file) => file !== own);
    expect(files.flatMap((file) => leftover(readFileSync(file, 'utf8')) ?? [])).toEqual([]);
    for (const source of ['// TODO later', '/* FIXME */', "test.only('x', f)", 'debugger;'])
      expect(leftover(source)).toBeDefined();
  });
});
