/** What the log says of devices, look by look. */
import { expect, test } from 'vitest';
import { deviceNews } from '../../firmware/device-news.ts';

const dead = 'meter at 127.0.0.1:5020: disconnected: connect ECONNREFUSED 127.0.0.1:5020';
const hung = 'relays at 127.0.0.1:5022: timeout';
/** Each look's troubles, and what is said of them. */
const evening: [string[], string[]][] = [
  [[dead], []], // one disturbed answer
  [[], []],
  [[dead], []],
  [[dead, hung], []],
  [[dead, hung], [`warn ${dead}; it is asked again until it answers`]],
  [['meter at 127.0.0.1:5020: timeout', hung], [`warn ${hung}; it is asked again until it answers`]],
  [[dead, hung], []], // for as long as it lasts
  [[hung], []],
  [[hung], []],
  [[hung], ['info meter at 127.0.0.1:5020 answers again']],
  [[], []],
  [[hung], []], // it came back for a moment only
  [[], []],
  [[], []],
  [[], ['info relays at 127.0.0.1:5022 answers again']],
  [[], []],
];

test('one warning when a device stops answering, one line when it is back, nothing in between', () => {
  const news = deviceNews();
  const said = evening.map(([troubles]) => news(troubles).map(({ level, text }) => `${level} ${text}`));
  expect(said).toEqual(evening.map(([, lines]) => lines));
});

test('mutant: without patience every disturbed answer is news', () => {
  const news = deviceNews(1);
  expect(evening.flatMap(([troubles]) => news(troubles))).toHaveLength(8);
});
