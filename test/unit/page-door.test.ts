import { describe, expect, test, vi } from 'vitest';
import { checkHost, checkOrigin, Refusal } from '../../firmware/page/door.ts';
import { atMost } from '../../firmware/page/live.ts';
import { gather, withoutController } from '../../firmware/page/view.ts';
import { benchView, controllerView, firstView } from '../page/sample-view.ts';

function code(check: () => void): string {
  try {
    check();
    return 'accepted';
  } catch (error) {
    return (error as Refusal).code;
  }
}

describe('the Host header', () => {
  const names = ['chargepoint-3.local', '[fd00::5]'];
  const cases: [host: string | undefined, localAddress: string, expected: string][] = [
    ['localhost:8080', '127.0.0.1', 'accepted'],
    ['LocalHost', '127.0.0.1', 'accepted'],
    ['127.0.0.1:8080', '127.0.0.1', 'accepted'],
    ['[::1]:8080', '::1', 'accepted'],
    ['chargepoint-3.local', '192.168.1.20', 'accepted'],
    ['192.168.1.20:8080', '192.168.1.20', 'accepted'],
    ['192.168.1.20', '::ffff:192.168.1.20', 'accepted'],
    ['[fd00::5]:8080', 'fd00::5', 'accepted'],
    ['[fe80::7]', 'fe80::7', 'accepted'],
    ['192.168.1.21', '192.168.1.20', 'bad-host'],
    ['evil.example', '127.0.0.1', 'bad-host'],
    ['evil.example:8080', '127.0.0.1', 'bad-host'],
    ['localhost.evil.example', '127.0.0.1', 'bad-host'],
    ['127.0.0.1.evil.example', '127.0.0.1', 'bad-host'],
    ['chargepoint-3.local.', '127.0.0.1', 'bad-host'],
    ['', '127.0.0.1', 'bad-host'],
    [undefined, '127.0.0.1', 'bad-host'],
  ];
  const wrong = (check: typeof checkHost) =>
    cases.filter(([host, address, expected]) => code(() => check(host, names, address)) !== expected);

  test('names this machine, or the request is refused', () => {
    expect(wrong(checkHost)).toEqual([]);
  });

  test.each<[string, typeof checkHost]>([
    ['no check', () => {}],
    [
      'a check of the ending only',
      (host) => {
        if (!/(localhost|local|\d|\])(:\d+)?$/i.test(host ?? '')) throw new Refusal(421, 'bad-host', '');
      },
    ],
    [
      'a check of the beginning only',
      (host) => {
        if (!/^(localhost|127\.0\.0\.1|\[|chargepoint-3\.local|192)/i.test(host ?? ''))
          throw new Refusal(421, 'bad-host', '');
      },
    ],
  ])('mutant: %s is noticed', (_, mutant) => {
    expect(wrong(mutant)).not.toEqual([]);
  });
});

describe('the Origin header', () => {
  const cases: [origin: string | undefined, host: string, expected: string][] = [
    [undefined, 'localhost:8080', 'accepted'],
    ['http://localhost:8080', 'localhost:8080', 'accepted'],
    ['http://chargepoint-3.local', 'ChargePoint-3.local', 'accepted'],
    ['http://localhost:9999', 'localhost:8080', 'bad-origin'],
    ['http://evil.example', 'localhost:8080', 'bad-origin'],
    ['http://localhost:8080.evil.example', 'localhost:8080', 'bad-origin'],
    ['null', 'localhost:8080', 'bad-origin'],
    ['', 'localhost:8080', 'bad-origin'],
  ];
  const wrong = (check: typeof checkOrigin) =>
    cases.filter(([origin, host, expected]) => code(() => check({ origin, host })) !== expected);

  test('is this page, or there is none (a program), or the command is refused', () => {
    expect(wrong(checkOrigin)).toEqual([]);
  });

  test.each<[string, typeof checkOrigin]>([
    ['no check', () => {}],
    [
      'a check of the beginning only',
      ({ origin, host }) => {
        if (origin !== undefined && !origin.startsWith(`http://${host?.toLowerCase()}`))
          throw new Refusal(403, 'bad-origin', '');
      },
    ],
  ])('mutant: %s is noticed', (_, mutant) => {
    expect(wrong(mutant)).not.toEqual([]);
  });
});

describe('the pace of the live feed', () => {
  /** How often it ran, and when, for calls at the given times. */
  function pace(make: typeof atMost, calls: number[]): number[] {
    vi.useFakeTimers({ now: 0 });
    const ran: number[] = [];
    const { call, stop } = make(250, () => ran.push(Date.now()));
    for (const at of calls) setTimeout(call, at);
    vi.advanceTimersByTime(2_000);
    stop();
    vi.useRealTimers();
    return ran;
  }
  const story: [calls: number[], runs: number[]][] = [
    [[10], [10]],
    [
      [10, 20, 30],
      [10, 260],
    ],
    [
      [10, 20, 300],
      [10, 260, 510],
    ],
    [
      [10, 600],
      [10, 600],
    ],
    [Array.from({ length: 100 }, (_, index) => index * 10), [0, 250, 500, 750, 1_000]],
  ];

  test('is four a second at most, and the last change is never lost', () => {
    expect(story.map(([calls]) => pace(atMost, calls))).toEqual(story.map(([, runs]) => runs));
  });

  test.each<[string, typeof atMost]>([
    ['no limit', (_, run) => ({ call: run, stop() {} })],
    [
      'the last change lost',
      (every_ms, run) => {
        let next = 0;
        return {
          call() {
            if (Date.now() < next) return;
            next = Date.now() + every_ms;
            run();
          },
          stop() {},
        };
      },
    ],
  ])('mutant: %s is noticed', (_, mutant) => {
    expect(story.map(([calls]) => pace(mutant, calls))).not.toEqual(story.map(([, runs]) => runs));
  });
});

test('the bench gathers the views of its controllers: every node, the longest chain', () => {
  const view = gather('Bench', [firstView, controllerView('maple-1'), controllerView('maple-3')])!;
  expect(view.title).toBe('Bench');
  expect(view.chain.seenBy).toBe('maple-1');
  expect(view.nodes.map((node) => node.name)).toEqual(['maple-4', 'maple-1', 'maple-3']);
  expect(gather('Bench', [])).toBeUndefined();
  expect(gather('Bench', [benchView])).toEqual({ ...benchView, title: 'Bench' });
});

test('the longest chain counts only while its controller is there; what that one said of itself is no longer shown', () => {
  const [ahead, behind] = [controllerView('maple-1'), firstView];
  const gone = {
    ...ahead,
    nodes: ahead.nodes.map((node) => withoutController(node, 'controller ended (SIGKILL)', ['open', 'closed'])),
  };
  const view = gather('Bench', [gone, behind])!;
  expect(view.chain.seenBy).toBe('maple-4');
  expect(gather('Bench', [gone])!.chain.seenBy).toBe('maple-1'); // better than nothing
  const [{ gone: why, chargePoint, time }] = view.nodes;
  expect(why).toEqual({ why: 'controller ended (SIGKILL)', since_ms: time.now_ms });
  expect(chargePoint).toMatchObject({ power_W: null, offered_mA: 0, orders: [], pilot: null });
  expect(chargePoint!.contacts).toEqual({
    charge: { wanted: 'unknown', observed: 'open', operations: 412 },
    discharge: { wanted: 'unknown', observed: 'closed', operations: 96 },
  });
  // Mutant: gathered as if it were there, it is the one that everybody would follow.
  expect(gather('Bench', [ahead, behind])!.chain.seenBy).toBe('maple-1');
});
