/**
 * Who may import whom: the table of the style guide, on the real tree. Run by `npm run imports` and by tidy.test.ts,
 * which also shows that each rule objects to an offender. Types count as imports unless a rule says otherwise.
 */
'use strict';

/** Third-party libraries of the program and the files that may know them; the bench's own are below. */
const LIBRARIES = {
  '@noble/ed25519': ['firmware/adapters/ed25519'],
  'better-sqlite3': ['firmware/adapters/sqlite-ledger'],
  cborg: ['firmware/protocol/codec'],
  commander: ['firmware/cli', 'sim-hardware/main'],
  'firmata-io': ['hal/drivers/johnny-five-relays'],
  'johnny-five': ['hal/drivers/johnny-five-relays'],
  'modbus-serial': ['hal/drivers/modbus-bus', 'sim-hardware/wires/modbus-slave'],
  mqtt: ['firmware/adapters/mqtt-bus'],
  'node-cron': ['firmware/round-waker'],
  pino: ['firmware/adapters/log'],
  serialport: ['hal/drivers/johnny-five-relays', 'hal/drivers/modbus-bus'],
  yaml: ['firmware/settings/source'],
  zod: [
    'firmware/(config|session|charge-point)',
    'firmware/settings/[a-z-]+',
    'firmware/page/(door|owner)',
    'firmware/simulate/scenario',
  ],
  aedes: ['sim-hardware/bench'],
};
const installed = (name) => `node_modules/(@|@types/)?${name.replace('@', '')}/`;

const ENTRIES = '^(firmware/(cli\\.ts|p2pebt\\.cjs|launch\\.cjs)|sim-hardware/main\\.ts)$';
const SEAMS = '^hal/(units|errors|ports)\\.ts$';

/** Modules of Node's own do not count. */
const SYSTEM_TOO = { dependencyTypesNot: ['core'] };

/** `from` may import nothing but `allowed`. */
const only = (name, from, allowed, comment, to = {}) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { pathNot: allowed, ...to },
});
const never = (name, from, to, comment) => ({ name, comment, severity: 'error', from, to });

module.exports = {
  forbidden: [
    never(
      'firmware-without-simulation',
      { path: '^(firmware|hal)/' },
      { path: '^sim-hardware/' },
      'On the bench the program of the device runs unchanged.',
    ),
    never('nobody-imports-test', { pathNot: '^test/' }, { path: '^test/' }, 'Tests know the program, not the reverse.'),
    only('hal-seams', SEAMS, [SEAMS], 'Units, errors and ports import nothing but each other.'),
    never('hal-below', { path: '^hal/' }, { path: '^firmware/' }, 'Drivers do not know who uses them.'),
    only(
      'protocol-alone',
      '^firmware/protocol/',
      ['^firmware/protocol/', '^hal/units\\.ts$', '^firmware/ports\\.ts$', installed('cborg')],
      'The deterministic core needs no Node module and no other part of the program.',
    ),
    never(
      'protocol-ports-are-types',
      { path: '^firmware/protocol/' },
      { path: '^firmware/ports\\.ts$', dependencyTypesNot: ['type-only'] },
      'The core knows the shapes of what it owes, nothing that acts.',
    ),
    only(
      'benefit-alone',
      '^firmware/protocol/benefit/',
      ['^firmware/protocol/benefit/'],
      'What is good knows nothing of how we agree.',
    ),
    only(
      'solver-outside',
      '^firmware/solver/',
      ['^firmware/solver/', '^firmware/protocol/benefit/', '^hal/units\\.ts$'],
      'A solver sees the problem and its benefit, never the agreement.',
    ),
    only(
      'control-alone',
      '^firmware/control/',
      ['^firmware/control/', '^hal/(units|ports)\\.ts$', '^firmware/protocol/plan\\.ts$'],
      'From plan to contacts: all it learns from the consensus is the plan.',
    ),
    never(
      'control-types',
      { path: '^firmware/control/' },
      { path: '^(hal/ports|firmware/protocol/plan)\\.ts$', dependencyTypesNot: ['type-only'] },
      'The control decides; it drives nothing itself.',
    ),
    only(
      'adapters-at-the-edge',
      '^firmware/adapters/',
      [
        '^firmware/adapters/',
        '^firmware/ports\\.ts$',
        '^firmware/protocol/(messages|codec|limits|registry|members|round)\\.ts$',
        '^hal/units\\.ts$',
        'node_modules/',
      ],
      'An adapter implements a port and knows the form of messages, no rule.',
      SYSTEM_TOO,
    ),
    only(
      'runtime-thin',
      '^firmware/runtime\\.ts$',
      ['^firmware/(ports|adapters/(gate|door))\\.ts$', '^firmware/protocol/', '^hal/units\\.ts$'],
      'The runtime knows the core and the ports.',
    ),
    only(
      'page-shows',
      '^firmware/page/(?!public/)',
      ['^firmware/page/', '^hal/(ports|units)\\.ts$', 'node_modules/'],
      'The page shows a view that it is given.',
      SYSTEM_TOO,
    ),
    never(
      'main-on-top',
      { path: '^firmware/', pathNot: ENTRIES },
      { path: '^firmware/(main|cli)\\.ts$' },
      'Only the command line starts the whole.',
    ),
    never(
      'bench-only',
      { path: '^sim-hardware/', pathNot: '^sim-hardware/(bench|main|preflight|progress)\\.ts$' },
      { path: '^firmware/' },
      'The physical world knows no controller; the bench starts controllers and reads their ledgers.',
    ),
    never(
      'world-by-wire',
      { path: '^sim-hardware/' },
      { path: '^hal/', pathNot: SEAMS },
      'Simulated devices speak the wire; they share no driver with the program.',
    ),
    ...Object.entries(LIBRARIES).map(([library, files]) =>
      never(
        `library-${library}`,
        { path: '^(firmware|hal|sim-hardware)/', pathNot: `^(${files.join('|')})\\.ts$` },
        { path: installed(library) },
        `${library} is known to ${files.join(', ')} only.`,
      ),
    ),
    never(
      'library-unlisted',
      { path: '^(firmware|hal|sim-hardware)/', pathNot: '^firmware/page/public/' },
      { path: 'node_modules/', pathNot: Object.keys(LIBRARIES).map(installed) },
      'A new library is a decision: list it here with the file that needs it.',
    ),
    never(
      'library-missing',
      { path: '^(firmware|hal|sim-hardware)/', pathNot: '^firmware/page/public/' },
      { couldNotResolve: true },
      'What is imported exists.',
    ),
    never(
      'no-circle',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
      'Files that need each other to run cannot be read one after the other.',
    ),
    never(
      'dead-file',
      { path: ENTRIES },
      {
        path: '^(firmware|hal|sim-hardware)/',
        pathNot: [ENTRIES, '^firmware/page/public/', '\\.d\\.ts$', '^sim-hardware/ports/'],
        reachable: false,
      },
      'A file that no program leads to; the in-memory ports are for the tests.',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^firmware/page/public/uplot' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.cjs', '.mjs'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default'],
    },
  },
};
