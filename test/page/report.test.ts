/** The report of `npm run experiment`, on two days, as a utility's engineer opens it: a file, in a browser, offline. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { launchChromium } from './chromium.ts';

// biome-ignore lint/suspicious/noExplicitAny: what runs in the browser is checked there; Node's types have no DOM
declare const document: any;

test('the report reads offline: its table and charts are there, and are those of the CSV', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pebt-report-'));
  const browser = await launchChromium();
  try {
    const run = spawnSync('npm', ['run', 'experiment', '--', '--seeds', '2', '--sweep-seeds', '2', '--out', folder], {
      encoding: 'utf8',
    });
    expect(run.status, run.stderr).toBe(0);
    const page = await browser.newPage();
    const asked: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => complaints.push(message.text()));
    const url = pathToFileURL(join(folder, 'experiment.html')).href;
    await page.goto(url);
    const shown = await page.evaluate(() => ({
      rules: [...document.querySelectorAll('table')][0].textContent as string,
      charts: [...document.querySelectorAll('svg')].map(
        (svg) => svg.querySelectorAll('polyline, circle, rect').length as number,
      ),
      text: document.body.textContent as string,
      wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    }));
    expect([asked, complaints, shown.wider]).toEqual([[url], [], 0]);
    expect(shown.charts).toHaveLength(10);
    for (const marks of shown.charts) expect(marks).toBeGreaterThan(2);
    expect(shown.text).not.toMatch(/NaN|undefined|Infinity/);

    const csv = readFileSync(join(folder, 'experiment.csv'), 'utf8');
    const cubeRoots = [...csv.matchAll(/^table,,(\w+),"cbrt\(PF\), kW\/h",([\d.]+),/gm)];
    expect(cubeRoots.map(([, rule]) => rule)).toEqual(['base', 'eq11', 'spread', 'plan', 'bound']);
    for (const [, rule, kW_h] of cubeRoots) expect(shown.rules, rule).toContain(Number(kW_h).toFixed(1));
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true });
  }
});
