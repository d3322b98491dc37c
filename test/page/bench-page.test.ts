/**
 * The real thing on the real page: `npm start` as a person runs it, Chromium looking at it at phone and desktop size,
 * and every figure compared with the ledger that the controllers wrote, replayed up to the block that the page showed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { openForReport, replay, report } from '../../firmware/ledger-report.ts';
import { launchChromium } from './chromium.ts';

// biome-ignore lint/suspicious/noExplicitAny: what runs in the browser is checked there; Node's types have no DOM
declare const document: any;

interface Bench {
  readonly process: ChildProcess;
  readonly url: string;
  readonly exit: Promise<number | null>;
}

async function npmStart(directory: string): Promise<Bench> {
  const child = spawn('npm', ['start', '--', '--port', '0', '--seed', '5', '--dir', directory], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a process group of its own, which Ctrl-C in a terminal reaches as a whole
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let text = '';
  const url = await new Promise<string>((resolve, reject) => {
    const hear = (bytes: Buffer): void => {
      text += bytes;
      const found = /The page: (http\S+)/.exec(text);
      if (found) resolve(found[1]);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    void exit.then((code) => reject(new Error(`npm start ended with ${code}: ${text}`)));
  });
  return { process: child, url, exit };
}

/** Everything that the page says of the chain, read in one go. */
const readPage = (page: Page) =>
  page.evaluate(() => {
    const text = (id: string): string => document.getElementById(id).textContent;
    const rows = (id: string): string[] => [...document.querySelectorAll(`#${id} tr`)].map((row) => row.textContent);
    return {
      totals: text('totals'),
      with: text('cbrt-with'),
      without: text('cbrt-without'),
      blocks: rows('blocks'),
      ordered: text('ordered'),
      width: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    };
  });

test('the figures on the page of a running bench are those of its ledgers', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'p2pebt-page-'));
  const bench = await npmStart(directory);
  const browser = await launchChromium();
  try {
    for (const viewport of [
      { width: 1280, height: 800 },
      { width: 360, height: 740 },
    ]) {
      const page = await browser.newPage({ viewport, timezoneId: 'UTC', locale: 'en-GB' });
      await page.goto(bench.url);
      await expect
        .poll(() => readPage(page).then(({ blocks }) => blocks.length), { timeout: 120_000 })
        .toBeGreaterThan(3);
      await expect.poll(() => readPage(page).then((shown) => shown.with), { timeout: 120_000 }).not.toBe('–');
      const shown = await readPage(page);
      const [newest] = shown.blocks;
      const seenBy = /by the ledger of (\S+)/.exec(shown.totals)?.[1] ?? '';
      const { registry, chain } = openForReport(join(directory, seenBy, 'ledger.sqlite'));

      // The page may be a block behind the ledger by now: replay it up to what was shown.
      const candidates = chain.blocks.map(({ height }) => {
        const { chronicle } = replay(
          registry,
          { ...chain, blocks: chain.blocks.filter((block) => block.height <= height) },
          false,
        );
        return report(registry, chronicle, -1);
      });
      const decimal = (value: number | undefined): string => (value ?? Number.NaN).toFixed(1);
      const same = candidates.find((at) => {
        const last = at.blocks.findLast(({ kind }) => kind === 'SCHEDULE');
        return (
          last !== undefined &&
          newest.replaceAll(',', '').includes(String(last.lambda)) &&
          decimal(at.pfWith?.cbrt) === shown.with.replaceAll(',', '') &&
          decimal(at.pfWithout?.cbrt) === shown.without.replaceAll(',', '')
        );
      });
      expect(same, `no state of the ledger shows ${shown.with} and ${shown.without} with ${newest}`).toBeDefined();
      expect(shown.totals).toContain(`${same?.committed} rounds committed`);
      const schedules = same?.blocks.filter(({ kind }) => kind === 'SCHEDULE').reverse() ?? [];
      for (const [i, block] of schedules.entries()) {
        const row = shown.blocks[i].replaceAll(',', '');
        for (const figure of [block.round, block.author, block.lambda, block.height])
          expect(row).toContain(String(figure));
      }
      expect(shown.width, 'no horizontal scroll').toBe(0);
      await page.close();
    }
  } finally {
    await browser.close();
    process.kill(-(bench.process.pid as number), 'SIGINT');
    expect(await bench.exit).toBe(0);
    rmSync(directory, { recursive: true, force: true });
  }
});
