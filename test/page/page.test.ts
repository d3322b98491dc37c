/**
 * The page in a real browser (Debian's Chromium), at phone and desktop size: its figures are those of the view,
 * it works without a mouse, asks nothing of any other host, and shows hostile names as text. Screenshots go to
 * the folder named by PAGE_SHOTS, if it is set. Not part of the default run: `vitest run test/page`.
 */
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OwnerReply, OwnerRequest } from '../../firmware/page/owner.ts';
import { type PageServer, startPageServer } from '../../firmware/page/server.ts';
import type { NeighbourhoodView } from '../../firmware/page/view.ts';
import { launchChromium } from './chromium.ts';
import { benchView, controllerView, firstView, oneGoneView } from './sample-view.ts';

// biome-ignore-start lint/suspicious/noExplicitAny: what runs in the browser is checked there; Node's types have no DOM
declare const document: any;
declare const window: any;
declare const getComputedStyle: any;
// biome-ignore-end lint/suspicious/noExplicitAny: as above

const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 800 };

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
}, 30_000);
afterAll(() => browser.close());

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Shown {
  readonly page: Page;
  readonly server: PageServer;
  /** Every address the browser asked for, and every complaint of its console. */
  readonly asked: string[];
  readonly complaints: string[];
}

interface Setting {
  readonly view: () => NeighbourhoodView;
  readonly owner?: (request: OwnerRequest) => OwnerReply;
  readonly size?: { width: number; height: number };
  readonly scheme?: 'light' | 'dark';
}

async function show({ view, owner, size = DESKTOP, scheme = 'light' }: Setting): Promise<Shown> {
  const server = await startPageServer({ host: '127.0.0.1', port: 0, view, ...(owner && { owner }) });
  const context = await browser.newContext({
    viewport: size,
    colorScheme: scheme,
    timezoneId: 'UTC',
    reducedMotion: 'reduce',
    deviceScaleFactor: size === PHONE ? 2 : 1,
  });
  const page = await context.newPage();
  cleanups.push(
    () => server.close(),
    () => context.close(),
  );
  const [asked, complaints]: [string[], string[]] = [[], []];
  page.on('request', (request) => asked.push(request.url()));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(server.url);
  await page.getByText('live', { exact: true }).waitFor();
  return { page, server, asked, complaints };
}

async function shoot(page: Page, name: string): Promise<void> {
  if (process.env['PAGE_SHOTS']) await page.screenshot({ path: join(process.env['PAGE_SHOTS'], name), fullPage: true });
}

const textOf = async (page: Page, selector: string) =>
  (await page.locator(selector).textContent())!.replace(/\s+/g, ' ').trim();
const textsOf = async (page: Page, selector: string) =>
  (await page.locator(selector).allTextContents()).map((text) => text.replace(/\s+/g, ' ').trim());
const cellsOf = (page: Page, rows: string) =>
  page
    .locator(rows)
    .evaluateAll((rows) =>
      rows.map((row) => [...row.children].map((cell) => cell.textContent?.replace(/\s+/g, ' ').trim())),
    );
const card = (page: Page, name: string) => page.getByRole('article', { name });

describe.each([
  ['phone', PHONE],
  ['desktop', DESKTOP],
] as const)('on a %s', (device, size) => {
  test('the figures are those of the view', async () => {
    const { page, complaints, asked, server } = await show({ view: () => benchView, size });
    await shoot(page, `bench-${device}.png`);

    expect(await textOf(page, '#reduction')).toBe('−33.2 %');
    expect([await textOf(page, '#cbrt-with'), await textOf(page, '#cbrt-without')]).toEqual(['32.4', '48.5']);
    expect(await cellsOf(page, '#forms tr')).toEqual([
      ['cube root of PF', '32.4', '48.5', '−33.2 %'],
      ['PF', '34,012', '114,084', '−70.2 %'],
      ['deviation of slope', '184.4', '337.8', '−45.4 %'],
    ]);
    expect(await textOf(page, '#totals')).toBe('1,042 rounds committed, 7 terminated, by the ledger of maple-1');
    expect(await textsOf(page, '.three dd')).toEqual(['412.3 kWh', '401.2 kWh', '401.0 kWh']);

    expect(await textOf(page, '#settled')).toBe(
      'Orders that are settled; 12.3 kWh more metered without an order (safe share); 2 rounds not settled yet',
    );

    const blocks = await cellsOf(page, '#blocks tr');
    expect(blocks).toEqual(
      benchView.chain.blocks.map((block) => [
        `${block.round} ${new Date(block.start_ms).toISOString().slice(11, 16)}`,
        block.outcome,
        block.author ?? '–',
        block.lambda === null ? '–' : BigInt(block.lambda).toLocaleString('en-GB'),
        `${block.votes.received} of ${block.votes.validators}`,
        String(block.ordersExecuted),
        block.height === null ? '–' : `${block.height} ${block.hash!.slice(0, 8)}`,
      ]),
    );
    const settlement = await cellsOf(page, '#settlement tr');
    expect(settlement.map((cells) => cells.slice(3))).toEqual(
      benchView.chain.settlement.map((row) =>
        [row.ordered_Wh, row.allocated_Wh, row.metered_Wh].map((wh) => `${String(wh).replace('-', '−')} Wh`),
      ),
    );

    const { power, ahead } = benchView.chain;
    const rows = await cellsOf(page, '#power-rows tr');
    const kW = (watts: number | null) => (watts === null ? '–' : (watts / 1000).toFixed(1));
    const all = [
      ...power.map((row) => [kW(row.with_W), kW(row.without_W), '–', '–', '–', '–']),
      ...ahead.map((row) => ['–', '–', kW(row.planned_W), kW(row.load_W), kW(row.buys_W), kW(row.sells_W)]),
    ];
    expect(rows.map((cells) => cells.slice(1))).toEqual(all.reverse());

    const origins = new Set(asked.map((url) => new URL(url).origin));
    expect([...origins]).toEqual([new URL(server.url).origin]);
    expect(complaints).toEqual([]);
  });

  test('a charge point says what it does, what it was told, what is so, and why', async () => {
    const { page } = await show({ view: () => benchView, size });
    const charging = await card(page, 'maple-1').textContent();
    for (const words of [
      'vehicle ready (C)',
      'charging: plan of block 1042',
      '11.0 kW',
      '62 % charged',
      'buy 11.0 kW',
      '14.3 kWh missing, leaves Thu 15 Jan, 06:45',
      '16.0 A offered',
    ])
      expect(charging!.replace(/\s+/g, ' ')).toContain(words);
    const contacts = (name: string) =>
      card(page, name)
        .locator('.contacts tbody tr')
        .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    expect(await contacts('maple-2')).toEqual([
      ['charge', '○ open', '○ open', '388×'],
      ['discharge', '● closed', '● closed', '101×'],
    ]);
    expect(await contacts('maple-3')).toEqual([
      ['charge', '○ open', '● closed, not as wanted', '9,871×'],
      ['discharge', '○ open', '? unknown', '12×'],
    ]);
    const welded = (await card(page, 'maple-3').textContent())!.replace(/\s+/g, ' ');
    for (const words of [
      'welded contact',
      'meter silent',
      'meter at cp-3.local:502: timeout',
      'no reading',
      'state of charge unknown',
      'stopped by the owner',
      'of your buy of 3.7 kW was held back for safety in round',
      'it would have drawn more than the neighbourhood’s capacity allows',
      '13 messages refused: bad signature 12, over size 1',
    ])
      expect(welded).toContain(words);
    expect(await card(page, 'maple-4').textContent()).toContain('broker lost');
    expect((await card(page, 'maple-head').textContent())!.replace(/\s+/g, ' ')).toContain(
      '39.8 % of the capacity, 800.0 kW',
    );
    expect(await page.getByRole('button').count()).toBe(0);
  });

  test('what is ordinary is not said in red, what is refused is', async () => {
    const { page } = await show({ view: () => benchView, size });
    const red = 'rgb(179, 38, 30)';
    const colourOf = (name: string, words: string) =>
      card(page, name)
        .getByText(words)
        .evaluate((element) => getComputedStyle(element).color);
    expect(await colourOf('maple-1', '6 messages ignored: duplicate 6')).not.toBe(red);
    expect(await colourOf('maple-3', '13 messages refused')).toBe(red); // so the colour is the right one to look for
  });

  test("the owner's controls come before contacts and orders, under what the vehicle needs; the title is the node's", async () => {
    const { page } = await show({
      view: () => controllerView('maple-1'),
      owner: () => ({ done: true, message: '' }),
      size,
    });
    await shoot(page, `own-${device}.png`);
    const top = (selector: string) => page.locator(selector).evaluate((element) => element.getBoundingClientRect().top);
    const [need, owner, contacts] = [await top('.need'), await top('.owner'), await top('.contacts')];
    if (size === PHONE) expect([need, owner, contacts]).toEqual([need, owner, contacts].sort((a, b) => a - b));
    else expect(owner).toBeLessThan(need); // beside it
    expect([await textOf(page, 'h1'), await textOf(page, '#subtitle'), await page.title()]).toEqual([
      'maple-1',
      'charge point · microgrid maple-street',
      'maple-1 · maple-street',
    ]);
  });

  test('a controller that has ended is shown as gone, not as it was', async () => {
    const { page } = await show({ view: () => oneGoneView, size });
    await shoot(page, `gone-${device}.png`);
    /** What can be seen of it: hidden parts are not text. */
    const seen = async (on: Page) =>
      // biome-ignore lint/performance/useDomNodeTextContent: textContent has the hidden parts too
      (await card(on, 'maple-1').evaluate((article) => article.innerText)).replace(/\s+/g, ' ');
    const words = () => seen(page);
    const alive = ['charging: plan of block 1042', '11.0 kW', 'vehicle ready', 'broker connected', '62 % charged'];
    expect(await words()).toMatch(/^maple-1 not live controller ended \(SIGKILL\); no view since 18:32 /);
    for (const word of alive) expect(await words()).not.toContain(word);
    expect(await cellsOf(page, 'article[aria-label="maple-1"] .contacts tbody tr')).toEqual([
      ['charge', '? unknown', '○ open', '412×'],
      ['discharge', '? unknown', '○ open', '96×'],
    ]);
    expect(await textOf(page, '#subtitle')).toBe('4 of 5 nodes live · microgrid maple-street');
    // Mutant: its last view shown as the present has every one of these words.
    const { page: before } = await show({ view: () => benchView, size });
    const shown = await seen(before);
    for (const word of alive) expect(shown).toContain(word);
    expect(await textOf(before, '#subtitle')).toBe('5 nodes live · microgrid maple-street');
  });

  test.each([
    ['gone', () => oneGoneView, false],
    ['bench', () => benchView, false],
    ['controller', () => controllerView('maple-3'), true],
    ['first', () => firstView, true],
  ] as const)('nothing of the %s page is cut off or scrolls sideways', async (name, view, owned) => {
    const owner = owned ? () => ({ done: true, message: '' }) : undefined;
    const { page, complaints } = await show({ view, size, ...(owner && { owner }) });
    for (const summary of await page.locator('summary').all()) await summary.click();
    await shoot(page, `${name}-${device}-unfolded.png`);
    const wide = await page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      const over = [...document.querySelectorAll('body *')].filter((element) => {
        const box = element.getBoundingClientRect();
        const edge = element.closest('.panel')?.getBoundingClientRect().right ?? width;
        return box.width > 1 && !element.closest('.skip, .u-wrap') && box.right > Math.min(edge, width) + 0.5;
      });
      return [document.documentElement.scrollWidth - width, over.map((element) => element.outerHTML.slice(0, 80))];
    });
    expect(wide).toEqual([0, []]);
    expect(complaints).toEqual([]);
  });
});

test('the page in the dark', async () => {
  const { page } = await show({ view: () => benchView, scheme: 'dark' });
  await shoot(page, 'bench-dark.png');
  expect(await page.evaluate(() => getComputedStyle(document.body.parentElement!).backgroundColor)).toBe(
    'rgb(14, 19, 17)',
  );
});

test('everything can be reached and done with the keyboard alone, and focus is seen', async () => {
  const requests: OwnerRequest[] = [];
  const owner = (request: OwnerRequest): OwnerReply => {
    requests.push(request);
    return request.kind === 'clear-weld'
      ? { done: false, message: 'the contact is still closed' }
      : { done: true, message: `${request.kind} taken` };
  };
  const { page } = await show({ view: () => controllerView('maple-3'), owner });
  const focused = () =>
    page.evaluate(() => {
      const element = document.activeElement;
      const label = element.closest('label')?.querySelector('span')?.textContent;
      return {
        name: label ?? element.ariaLabel ?? element.textContent?.trim(),
        seen: getComputedStyle(element).outlineStyle !== 'none' || element.matches('.skip'),
      };
    });
  /** Presses Tab until the named control has the focus; fails when the whole page was walked without it. */
  async function tabTo(name: string): Promise<void> {
    for (let presses = 0; presses < 40; presses += 1) {
      await page.keyboard.press('Tab');
      const at = await focused();
      expect(at.seen, `focus on "${at.name}" is not visible`).toBe(true);
      if (at.name === name) return;
    }
    throw new Error(`Tab never reached "${name}"`);
  }
  const answer = page.locator('.answer');

  await tabTo('Skip to the content');
  await tabTo('Charge now');
  await page.keyboard.press('Enter');
  await expect.poll(() => answer.textContent()).toBe('override taken');
  await tabTo('Energy wanted, kWh');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('12.5');
  await tabTo('Battery and selling');
  await page.keyboard.press('Enter');
  await tabTo('Battery, kWh');
  await page.keyboard.type('60');
  await tabTo('Charged now, %');
  await page.keyboard.type('45');
  await tabTo('Set what is needed');
  await page.keyboard.press('Enter');
  await expect.poll(() => answer.textContent()).toBe('need taken');
  await tabTo('Checked: clear the weld');
  await page.keyboard.press('Enter');
  await expect.poll(() => answer.textContent()).toBe('Not done: the contact is still closed');
  expect(requests).toEqual([
    { kind: 'override', override: 'charge' },
    {
      kind: 'need',
      need: {
        energyMissing_Wh: 12_500,
        departure_ms: Date.UTC(2026, 0, 14, 22, 0),
        maySell: false,
        battery_Wh: 60_000,
        soc_ppm: 450_000,
      },
    },
    { kind: 'clear-weld' },
  ]);

  await tabTo('Round shown');
  const before = await textOf(page, '#readout');
  await page.keyboard.press('ArrowLeft');
  await expect.poll(() => textOf(page, '#readout')).not.toBe(before);
  expect(await page.getByRole('slider').getAttribute('aria-valuetext')).toBe(
    await page.locator('#readout').textContent(),
  );
  await tabTo('The chart as a table');
  await page.keyboard.press('Enter');
  expect(await page.locator('#power-rows').isVisible()).toBe(true);
});

test('what the owner is typing survives new views', async () => {
  let reason = 'one';
  const own = controllerView('maple-1');
  const view = (): NeighbourhoodView => ({
    ...own,
    nodes: own.nodes.map((node) => ({ ...node, chargePoint: { ...node.chargePoint!, reason } })),
  });
  const { page, server } = await show({ view, owner: () => ({ done: true, message: '' }) });
  await page.getByLabel('Energy wanted, kWh').fill('33');
  reason = 'two';
  server.changed();
  await page.getByText('two', { exact: true }).waitFor();
  expect(await page.getByLabel('Energy wanted, kWh').inputValue()).toBe('33');
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('INPUT');
});

test('where nothing can be agreed the page says so first, and shows nothing that agreement would make', async () => {
  const own = controllerView('maple-1');
  const words = 'No agreement: this neighbourhood has 3 charge points.';
  let view: NeighbourhoodView = { ...own, nodes: own.nodes.map((node) => ({ ...node, noAgreement: words })) };
  const { page, server, complaints } = await show({ view: () => view, owner: () => ({ done: true, message: '' }) });
  await shoot(page, 'no-agreement.png');
  const shown = async () => ({
    notice: await page.locator('#no-agreement').isVisible(),
    agreed: await page.locator('.agreed').evaluateAll((all) => all.filter((one) => one.checkVisibility()).length),
    button: await page.getByRole('button').first().textContent(),
  });
  expect(await page.getByRole('status').getByText(words).isVisible()).toBe(true);
  expect(await shown()).toEqual({ notice: true, agreed: 0, button: 'Charge in time' });
  expect(await card(page, 'maple-1').isVisible()).toBe(true);
  view = own;
  server.changed();
  await page.getByRole('button', { name: 'Follow the plan' }).waitFor();
  expect(await shown()).toEqual({ notice: false, agreed: 4, button: 'Follow the plan' });
  expect(complaints).toEqual([]);
});

test('a name that is HTML stays text', async () => {
  const hostile = '<img src=x onerror="window.hit = true"><script>window.hit = true</script>';
  /** The view with every text in it replaced, except the words that code reads. */
  const poison = (value: unknown, key = ''): unknown => {
    if (Array.isArray(value)) return value.map((one) => poison(one));
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, poison(one, name)]));
    }
    return typeof value === 'string' && key !== 'role' && key !== 'pilot' ? hostile : value;
  };
  const view = poison(benchView) as NeighbourhoodView;
  const { page, complaints } = await show({ view: () => view });
  expect(await page.locator('h1').textContent()).toBe(hostile);
  expect(await page.locator('img, main script, header script').count()).toBe(0);
  expect(await page.evaluate(() => 'hit' in window)).toBe(false);
  expect(complaints).toEqual([]);

  // Were a part of the page ever to parse HTML, the browser would refuse it: the policy is the second lock.
  const parsed = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<b>parsed</b>';
      return 'parsed';
    } catch (error) {
      return (error as Error).name;
    }
  });
  expect(parsed).toBe('TypeError');
});

test('a lost controller is said to be lost, with when it was last seen, and found again', async () => {
  const { page, server } = await show({ view: () => benchView });
  await server.close();
  const link = page.locator('#link');
  await expect.poll(() => link.textContent()).toMatch(/^disconnected, last seen \d\d:\d\d:\d\d$/);
  await shoot(page, 'disconnected.png');
  const again = await startPageServer({
    host: '127.0.0.1',
    port: server.port,
    view: () => ({ ...benchView, title: 'Back' }),
  });
  cleanups.push(() => again.close());
  await expect.poll(() => link.textContent(), { timeout: 10_000 }).toBe('live');
  expect(await page.locator('h1').textContent()).toBe('Back');
}, 20_000);
