/**
 * A network slower than the protocol's bound, then a blackout. Every block is notarised after all have skipped its view, so that
 * many open blocks stand on one another, and one node alone has said FINAL for the last: it must be able to bring them all.
 */
import { expect, test } from 'vitest';
import { openMessages } from '../../firmware/protocol/certificate.ts';
import type { Signed } from '../../firmware/protocol/messages.ts';
import { withPatched } from '../mutate.ts';
import { MemoryLedger, Neighbours } from '../unit/protocol-driver.ts';

const [SIGNER, DEAD] = [0, 3];
const SLOW_ms = 3500;
type Street = typeof Neighbours;

/** A street and its weather: everything late; late but for the NOTARIZE votes that reach one node; dark; well. */
class Weather {
  now: 'slow' | 'slow but for one' | 'dark' | 'well' = 'slow';
  readonly play: Neighbours;
  constructor(Street: Street) {
    const isHeard = ({ body }: Signed, to: number): boolean =>
      to === SIGNER && body.type === 'VOTE' && body.kind === 'notarize';
    this.play = new Street({
      lost: () => this.now === 'dark',
      delay_ms: (message, to) =>
        this.now === 'well' || (this.now === 'slow but for one' && isHeard(message, to)) ? 50 : SLOW_ms,
    });
  }
  /** From that second on one node hears in time, until it has said FINAL once more. */
  untilFinal(second: number): void {
    const { play } = this;
    play.until(second);
    this.now = 'slow but for one';
    const said = play.state(SIGNER).own.final.size;
    for (let at = second; at < 262 && play.state(SIGNER).own.final.size === said; at += 0.1) play.until(at);
  }
  /** Open blocks that lie in the ledger with the last FINAL. */
  get kept(): number {
    const { ledger, gate } = this.play.player(SIGNER);
    const { basis = null } = ledger.votes.findLast(({ kind }) => kind === 'final') ?? {};
    return openMessages(basis, gate).filter(({ body }) => body.type === 'PROPOSE').length;
  }
  /** The power goes everywhere, and comes back but for one; some rounds later, which blocks are final? */
  blackout(rounds: number): number[] {
    const { play } = this;
    this.now = 'dark';
    play.until(300);
    for (const { index } of play.players) play.kill(index);
    const back = play.players.filter(({ index }) => index !== DEAD).map(({ index }) => index);
    for (const index of back) play.restart(index);
    this.now = 'well';
    play.rounds(rounds);
    return back.map((index) => play.state(index).finalNode.state.scheduleRound - play.deciding);
  }
}

const ON = [-1, -1, -1, -1];

/** An hour and more of it, then the FINAL of one: more blocks than a node keeps orphans of a leader, or votes of a voter. */
const manyOpen = (Street: Street) => {
  const weather = new Weather(Street);
  weather.play.rounds(14);
  weather.untilFinal(100);
  return { kept: weather.kept, after: weather.blackout(4) };
};

/** After the first FINAL of one its ledger is lost, and it learns from the others what it had said; then it says another. */
const learned = (Street: Street) => {
  const weather = new Weather(Street);
  const { play } = weather;
  weather.untilFinal(100);
  weather.now = 'slow';
  play.until(250);
  const empty = new MemoryLedger();
  empty.whole = false;
  play.restart(SIGNER, empty);
  play.until(300).rounds(4); // until it votes again
  weather.untilFinal(120);
  empty.whole = true; // as the device's, whose counter is right again after the first vote
  return { kept: weather.kept, after: weather.blackout(4) };
};

test('many open blocks outlive a blackout', () => {
  const { kept, after } = manyOpen(Neighbours);
  expect(kept).toBeGreaterThan(42);
  expect(kept).toBeLessThan(60); // a CARRY in every view would make it 250
  expect(after).toEqual(ON);
});
test('so do those under a FINAL of which a new ledger knows by hearsay', () => {
  const { kept, after } = learned(Neighbours);
  expect(kept).toBeGreaterThan(5);
  expect(after).toEqual(ON);
});

test.each([
  [
    'its own certificate alone lies with a FINAL',
    manyOpen,
    'firmware/protocol/consensus/simplex.ts',
    '.flatMap(({ block, view }) => [block, ...(certificate(state.votes, ',
    '.flatMap(({ block, view }) => [block, ...(view < node.view ? [] : certificate(state.votes, ',
  ],
  [
    'the votes of the ledger count one by one',
    manyOpen,
    'firmware/protocol/step.ts',
    'addCertificates(state.votes, votes, electorateOf(state));\n}\n',
    'void votes;\n}\n',
  ],
  [
    'what it hears of its own FINALs counts as kept',
    learned,
    'firmware/protocol/consensus/simplex.ts',
    'path.findLastIndex(({ view }) => state.own.kept.has(view))',
    'path.findLastIndex(({ view }) => state.own.final.has(view))',
  ],
] as const)('mutant: where %s, the street never gets out', async (rule, story, file, find, replace) => {
  const source = {
    folders: ['firmware', 'hal', 'test/unit'],
    entry: 'test/unit/protocol-driver.ts',
    patches: [{ file, find, replace }],
  };
  const { after } = await withPatched(rule, source, (driver: { Neighbours: Street }) => story(driver.Neighbours));
  expect(Math.max(...after)).toBeLessThan(-3);
});
