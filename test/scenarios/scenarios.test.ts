/** Each story of this folder comes out as it is written down. UPDATE_TRANSCRIPTS=1 writes them anew: read the difference before you commit it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { tellStory } from './script.ts';

const folder = new URL('.', import.meta.url);
const LINE = '-----\n';

describe('scenarios', () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.txt'))) {
    test(name.replace('.txt', '').replaceAll('-', ' '), () => {
      const file = new URL(name, folder);
      const [commands, story] = readFileSync(file, 'utf8').split(LINE);
      const told = tellStory(commands);
      if (process.env.UPDATE_TRANSCRIPTS === '1') writeFileSync(file, commands + LINE + told);
      else expect(told).toBe(story);
    });
  }

  test('a story that does not show its point any more fails', () => {
    expect(() => tellStory('nodes 4\nrounds 1\nshows terminated')).toThrow('nothing shows "terminated" any more');
  });
});
