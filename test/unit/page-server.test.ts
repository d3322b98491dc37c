import { once } from 'node:events';
import { type ClientRequest, createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { MAX_READERS } from '../../firmware/page/live.ts';
import type { OwnerRequest } from '../../firmware/page/owner.ts';
import { type PageOptions, type PageServer, startPageServer } from '../../firmware/page/server.ts';
import type { NeighbourhoodView } from '../../firmware/page/view.ts';
import { controllerView } from '../page/sample-view.ts';

const running: PageServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((page) => page.close()));
});

async function start(options: Partial<PageOptions> = {}): Promise<PageServer> {
  const page = await startPageServer({ host: '127.0.0.1', port: 0, view: () => controllerView('maple-1'), ...options });
  running.push(page);
  return page;
}

interface Call {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

function open(page: PageServer, path: string, { method = 'GET', headers = {}, body }: Call = {}): ClientRequest {
  return request({ host: '127.0.0.1', port: page.port, path, method, headers, agent: false }).end(body);
}

async function call(page: PageServer, path: string, more: Call = {}) {
  const [response] = (await once(open(page, path, more), 'response')) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

const JSON_TYPE = { 'content-type': 'application/json' };
const NEED = { energyMissing_Wh: 12_000, departure_ms: Date.UTC(2026, 0, 15, 6, 0), maySell: false };

describe('what is served', () => {
  test('the page and its parts, all from here, under a strict policy', async () => {
    const page = await start();
    const html = await call(page, '/');
    expect(html.status).toBe(200);
    expect(html.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(html.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; /);
    expect(html.headers['content-security-policy']).not.toMatch(/unsafe|\*|http/);
    expect(html.headers['x-content-type-options']).toBe('nosniff');
    expect(html.body).not.toMatch(/(?:src|href)="(?!\/|#)/);

    // Every file that the page or one of its modules names is there.
    const seen = new Set<string>(['/']);
    const queue = [html.body];
    for (let source = queue.pop(); source !== undefined; source = queue.pop()) {
      for (const [, name] of source.matchAll(/(?:src=|href=|from )["']\.?(\/[\w.-]+)["']/g)) {
        if (seen.has(name!)) continue;
        seen.add(name!);
        const file = await call(page, name!);
        expect([name, file.status]).toEqual([name, 200]);
        if (name!.endsWith('.js')) {
          expect(file.headers['content-type']).toBe('text/javascript; charset=utf-8');
          queue.push(file.body);
        }
      }
    }
    expect(seen).toContain('/uplot.js');
    expect(seen).toContain('/words.js');
  });

  test('a file that the browser has is not sent again', async () => {
    const page = await start();
    const { etag } = (await call(page, '/app.js')).headers;
    const again = await call(page, '/app.js', { headers: { 'if-none-match': etag! } });
    expect([again.status, again.body]).toEqual([304, '']);
  });

  test('the view, whole, and whether commands are taken', async () => {
    const page = await start();
    const view = await call(page, '/api/view');
    expect(view.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(JSON.parse(view.body)).toEqual({ ...controllerView('maple-1'), ownerControls: false });
    const owned = await start({ owner: () => ({ done: true, message: '' }) });
    expect(JSON.parse((await call(owned, '/api/view')).body).ownerControls).toBe(true);
  });

  test('its health', async () => {
    const page = await start();
    expect(await call(page, '/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    expect(await call(page, '/', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });
});

describe('the live feed', () => {
  /** Titles of the views as they come. */
  async function* titles(page: PageServer): AsyncGenerator<string> {
    const [response] = (await once(open(page, '/api/live'), 'response')) as [IncomingMessage];
    expect(response.headers['content-type']).toBe('text/event-stream');
    let buffer = '';
    for await (const chunk of response.setEncoding('utf8')) {
      const events = (buffer + chunk).split('\n\n');
      buffer = events.pop()!;
      for (const event of events) yield JSON.parse(event.split('\ndata: ')[1]!).title;
    }
  }

  test('gives the view at once, a change when there is one, and of many quick changes the first and the last', async () => {
    let title = 'one';
    const page = await start({ view: () => ({ ...controllerView('maple-1'), title }) });
    const feed = titles(page);
    expect((await feed.next()).value).toBe('one');
    const change = (next: string) => {
      title = next;
      page.changed();
    };
    for (const next of ['two', 'three', 'four', 'five']) change(next);
    expect((await feed.next()).value).toBe('two');
    expect((await feed.next()).value).toBe('five');
    await page.close();
    expect((await feed.next()).done).toBe(true);
  });

  test('asks for no view while nobody reads', async () => {
    let asked = 0;
    const view = (): NeighbourhoodView => {
      asked += 1;
      return controllerView('maple-1');
    };
    const page = await start({ view });
    page.changed();
    expect(asked).toBe(0);
  });

  test(`has at most ${MAX_READERS} readers, and a place again when one leaves`, async () => {
    const page = await start();
    const readers = Array.from({ length: MAX_READERS }, () => open(page, '/api/live'));
    const responses = await Promise.all(readers.map((reader) => once(reader, 'response')));
    expect(await call(page, '/api/live')).toMatchObject({ status: 503, body: expect.stringContaining('"busy"') });
    const gone = once(responses[0]![0], 'close');
    readers[0]!.destroy();
    await gone.catch(() => {});
    await expect
      .poll(async () => {
        const [response] = (await once(open(page, '/api/live'), 'response')) as [IncomingMessage];
        response.destroy();
        return response.statusCode;
      })
      .toBe(200);
  });
});

describe('the owner’s commands', () => {
  test.each<[string, string, object, OwnerRequest]>([
    ['PUT', '/api/need', NEED, { kind: 'need', need: NEED }],
    [
      'PUT',
      '/api/need',
      { ...NEED, maySell: true, battery_Wh: 60_000, soc_ppm: 500_000, reserve_Wh: 20_000 },
      { kind: 'need', need: { ...NEED, maySell: true, battery_Wh: 60_000, soc_ppm: 500_000, reserve_Wh: 20_000 } },
    ],
    ['PUT', '/api/override', { override: 'stop' }, { kind: 'override', override: 'stop' }],
    ['POST', '/api/clear-weld', {}, { kind: 'clear-weld' }],
  ])('%s %s %j is carried out', async (method, path, body, expected) => {
    const asked: OwnerRequest[] = [];
    const page = await start({
      owner: (request) => {
        asked.push(request);
        return { done: true, message: 'done' };
      },
    });
    const headers = { ...JSON_TYPE, host: `localhost:${page.port}`, origin: `http://localhost:${page.port}` };
    const reply = await call(page, path, { method, headers, body: JSON.stringify(body) });
    expect(reply).toMatchObject({ status: 200, body: '{"message":"done"}' });
    expect(asked).toEqual([expected]);
  });

  test('one that cannot be done says why', async () => {
    const page = await start({ owner: () => ({ done: false, message: 'no contact is welded' }) });
    const reply = await call(page, '/api/clear-weld', { method: 'POST', headers: JSON_TYPE, body: '{}' });
    expect(reply.status).toBe(409);
    expect(JSON.parse(reply.body)).toEqual({ error: { code: 'not-possible', message: 'no contact is welded' } });
  });

  test('are refused where the page only shows', async () => {
    const page = await start();
    const reply = await call(page, '/api/override', { method: 'PUT', headers: JSON_TYPE, body: '{"override":"stop"}' });
    expect([reply.status, JSON.parse(reply.body).error.code]).toEqual([403, 'no-owner']);
  });

  const need = (more: object) => JSON.stringify({ ...NEED, ...more });
  test.each<[what: string, path: string, call: Call, status: number, code: string, message: RegExp]>([
    [
      'a form',
      '/api/override',
      { headers: { 'content-type': 'text/plain' }, body: '{"override":"stop"}' },
      415,
      'not-json',
      /application\/json/,
    ],
    ['no type', '/api/override', { headers: {}, body: '{"override":"stop"}' }, 415, 'not-json', /application\/json/],
    ['half a JSON', '/api/override', { body: '{"override":' }, 400, 'bad-json', /not JSON/],
    ['nothing', '/api/override', { body: '' }, 400, 'bad-json', /not JSON/],
    ['a list', '/api/override', { body: '[]' }, 422, 'bad-field', /^body: .*object/],
    ['an unknown word', '/api/override', { body: '{"override":"faster"}' }, 422, 'bad-field', /^override: .*"stop"/],
    ['an unknown field', '/api/override', { body: '{"override":"stop","force":1}' }, 422, 'bad-field', /force/],
    ['part of a Wh', '/api/need', { body: need({ energyMissing_Wh: 1.5 }) }, 422, 'bad-field', /^energyMissing_Wh/],
    ['negative energy', '/api/need', { body: need({ energyMissing_Wh: -1 }) }, 422, 'bad-field', /^energyMissing_Wh/],
    ['too much energy', '/api/need', { body: need({ energyMissing_Wh: 1e7 }) }, 422, 'bad-field', /^energyMissing_Wh/],
    ['no departure', '/api/need', { body: need({ departure_ms: null }) }, 422, 'bad-field', /^departure_ms/],
    ['over-full', '/api/need', { body: need({ soc_ppm: 1_000_001 }) }, 422, 'bad-field', /^soc_ppm/],
    [
      'reserve over battery',
      '/api/need',
      { body: need({ battery_Wh: 10, reserve_Wh: 11 }) },
      422,
      'bad-field',
      /^reserve_Wh: .*larger/,
    ],
    [
      'two mistakes',
      '/api/need',
      { body: need({ maySell: 'yes', soc_ppm: -1 }) },
      422,
      'bad-field',
      /soc_ppm: .*; maySell: /,
    ],
    ['a huge body', '/api/need', { body: ' '.repeat(5_000) }, 413, 'too-large', /4096/],
    [
      'another site',
      '/api/override',
      { headers: { ...JSON_TYPE, origin: 'http://evil.example' }, body: '{"override":"stop"}' },
      403,
      'bad-origin',
      /evil/,
    ],
    [
      'a rebound name',
      '/api/override',
      { headers: { ...JSON_TYPE, host: 'evil.example' }, body: '{"override":"stop"}' },
      421,
      'bad-host',
      /evil/,
    ],
    [
      'a read by a rebound name',
      '/api/view',
      { method: 'GET', headers: { host: 'evil.example' } },
      421,
      'bad-host',
      /own address/,
    ],
    [
      'the wrong method',
      '/api/override',
      { method: 'POST', body: '{"override":"stop"}' },
      405,
      'method-not-allowed',
      /takes PUT, not POST/,
    ],
    ['a write to a file', '/', { method: 'POST' }, 405, 'method-not-allowed', /GET or HEAD/],
    ['another path', '/api/restart', {}, 404, 'not-found', /no \/api\/restart/],
    ['a path upwards', '/../server.ts', { method: 'GET' }, 404, 'not-found', /there is no/],
    ['a name of every object', '/constructor', { method: 'GET' }, 404, 'not-found', /there is no/],
  ])('%s is refused', async (_, path, given, status, code, message) => {
    const page = await start({
      owner: () => {
        throw new Error('a refused command reached the controller');
      },
    });
    const reply = await call(page, path, { method: 'PUT', headers: JSON_TYPE, ...given });
    const { error } = JSON.parse(reply.body);
    expect([reply.status, error.code]).toEqual([status, code]);
    expect(error.message).toMatch(message);
  });

  test('a sender that goes away in the middle of one does no harm', async () => {
    const page = await start({ owner: () => ({ done: true, message: '' }) });
    const socket = connect(page.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      'PUT /api/need HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{',
    );
    expect((await call(page, '/healthz')).status).toBe(200);
    socket.resetAndDestroy();
    expect((await call(page, '/healthz')).status).toBe(200);
  });
});

describe('an address that cannot be had', () => {
  test('a taken port is named, with what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(start({ port })).rejects.toThrow(
      `${port} is taken by another program: stop it or choose another port`,
    );
    other.close();
    await once(other, 'close');
    expect((await start({ port })).port).toBe(port);
  });

  test('so is an address of another machine', async () => {
    await expect(start({ host: '192.0.2.1' })).rejects.toThrow('"192.0.2.1" is not an address of this machine');
  });
});
