/**
 * The bus over any MQTT 3.1.1 broker: QoS 1, a session that outlives a connection, TCP_NODELAY (without it the 99th
 * percentile is ten times worse). It never blocks and never gives up: without a broker, messages wait in a bounded
 * outbox that drops the oldest, since in this protocol a newer message is worth more, and the runtime falls back.
 */
import { connect, type IClientOptions } from 'mqtt';
import type { Bus } from '../ports.ts';
import { PACKET_MAX_BYTES } from '../protocol/limits.ts';
import { presenceTopic, subscriptions } from '../protocol/messages.ts';
import { createFrameCutter } from './frames.ts';
import { afterWall } from './wall-timer.ts';

export interface BrokerAccess {
  /** mqtt://host:port or mqtts://host:port; several are tried in turn. Never with credentials inside. */
  readonly urls: readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** PEM texts, for mqtts. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

export interface BusOptions extends BrokerAccess {
  readonly microgrid: string;
  /** This node's name; the last level of the topics under which a broker's ACL lets it publish. */
  readonly node: string;
  /** Shown to the operator with the birth message, such as the program's version. */
  readonly about?: Readonly<Record<string, string | number | boolean>>;
  /** Messages that wait for a broker; the oldest go first. */
  readonly outbox?: number;
  /** Each new problem once, in words: for the log. */
  readonly onProblem?: (problem: string) => void;
}

export interface MqttBus extends Bus {
  /** Rejects with BusError when every URL has failed once, while the bus keeps trying by itself. */
  readonly firstConnection: Promise<void>;
  /** Messages in the outbox, and those it had to drop since the start. */
  readonly queued: number;
  readonly dropped: number;
}

export class BusError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BusError';
  }
}

const OUTBOX = 1_000;
/** Unacknowledged messages handed to the library; more wait in the outbox, where they can still be dropped. */
const IN_FLIGHT = 64;
const KEEP_ALIVE_s = 10;
const CONNECT_TIMEOUT_ms = 5_000;
const FIRST_RETRY_ms = 250;
const LONGEST_RETRY_ms = 5_000;
const FAREWELL_ms = 1_000;

/** Returns at once; the connection is made, and made again, in the background. */
export function connectBus(options: BusOptions): MqttBus {
  const { microgrid, node, onProblem = () => {} } = options;
  const limit = options.outbox ?? OUTBOX;
  const where = options.urls.join(', ');
  const presence = presenceTopic(microgrid, node);
  const birth = Date.now();
  const life = (alive: boolean) => JSON.stringify({ alive, birth, ...options.about });

  const messageListeners: Parameters<Bus['onMessage']>[0][] = [];
  const connectionListeners: Parameters<Bus['onConnection']>[0][] = [];
  const outbox: { topic: string; payload: Buffer }[] = [];
  let connected = false;
  let everConnected = false;
  let closing = false;
  let inFlight = 0;
  let dropped = 0;
  let lastProblem = '';
  /** Attempts that came to nothing; each takes the next URL. */
  let failed = 0;
  let firstProblem: string | undefined;
  /** Why the attempt that is about to close failed, when the library said so. */
  let failedWhy: string | undefined;

  const first = Promise.withResolvers<void>();
  first.promise.catch(() => {}); // whoever cares awaits it; the bus itself goes on

  const client = connect({
    ...clientOptions(options),
    clientId: `p2pebt-${microgrid}-${node}`,
    will: { topic: presence, payload: Buffer.from(life(false)), qos: 1, retain: true },
  });

  const problem = (text: string) => {
    firstProblem ??= text;
    if (failed >= options.urls.length) first.reject(new BusError(firstProblem));
    if (text === lastProblem || closing) return;
    lastProblem = text;
    onProblem(text);
  };

  const setConnected = (now: boolean) => {
    if (connected === now) return;
    connected = now;
    for (const listener of connectionListeners) listener(now);
  };

  const pump = () => {
    while (connected && inFlight < IN_FLIGHT) {
      const next = outbox.shift();
      if (!next) return;
      inFlight++;
      client.publish(next.topic, next.payload, { qos: 1 }, () => {
        inFlight--;
        pump();
      });
    }
  };

  const ready = () => {
    everConnected = true;
    lastProblem = '';
    client.options.reconnectPeriod = FIRST_RETRY_ms;
    client.publish(presence, life(true), { qos: 1, retain: true });
    setConnected(true);
    first.resolve();
    pump();
  };

  const guard = () => {
    const { stream } = client;
    const push = stream.push.bind(stream);
    const cut = createFrameCutter(PACKET_MAX_BYTES);
    // Whatever a stream reads goes through its `push`; null is its end. What is said to one read (an acknowledgement for each
    // message) leaves together: a write to a socket costs half as much as the check of a signature.
    stream.push = (chunk: Uint8Array | null) => {
      if (chunk === null) return push(null);
      stream.cork();
      setImmediate(() => stream.uncork());
      return push(cut(chunk));
    };
  };
  guard();
  client.on('packetsend', ({ cmd }) => {
    if (cmd === 'connect') guard(); // the first packet of each new stream; that of the first one is behind us
  });
  client.on('connect', ({ sessionPresent }) => {
    if ('setNoDelay' in client.stream) (client.stream as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);
    // A new process subscribes even to a kept session: only a SUBSCRIBE brings the retained messages.
    if (everConnected && sessionPresent) return ready();
    const topics = subscriptions(microgrid, node);
    client.subscribe(topics, { qos: 1 }, (error, granted) => {
      const refused = granted?.filter(({ qos }) => qos > 2).map(({ topic }) => topic) ?? [];
      if (!error && refused.length === 0) ready();
      else if (refused.length > 0 || client.connected) {
        const which = (refused.length > 0 ? refused : topics).join(' and ');
        const text = `the broker at ${where} refuses the subscription to ${which}: check its ACL for ${node}`;
        first.reject(new BusError(text)); // this connection stands: no other URL will be tried
        problem(text);
      }
    });
  });
  client.on('reconnect', () => {
    client.options.reconnectPeriod = Math.min(2 * (client.options.reconnectPeriod ?? 0), LONGEST_RETRY_ms);
  });
  client.on('error', (error) => {
    failedWhy = inWords(error, where);
  });
  client.on('close', () => {
    failed++;
    setConnected(false);
    const lost = everConnected
      ? `lost the broker at ${where}; trying again`
      : `the broker at ${where} closed the connection`;
    problem(failedWhy ?? lost);
    failedWhy = undefined;
  });
  client.on('message', (topic, payload) => {
    for (const listener of messageListeners) listener(topic, payload);
  });

  return {
    get connected() {
      return connected;
    },
    get queued() {
      return outbox.length;
    },
    get dropped() {
      return dropped;
    },
    firstConnection: first.promise,
    publish(topic, payload) {
      outbox.push({ topic, payload: Buffer.from(payload) });
      if (outbox.length > limit) {
        outbox.shift();
        dropped++;
      }
      pump();
    },
    onMessage: (listener) => void messageListeners.push(listener),
    onConnection: (listener) => void connectionListeners.push(listener),
    close() {
      closing = true;
      if (!connected) {
        client.end(true);
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        // A broker that does not answer must not keep a stopping controller alive.
        const cancel = afterWall(FAREWELL_ms, () => client.stream.destroy());
        client.once('close', () => {
          cancel();
          client.end(true);
          resolve();
        });
        client.publish(presence, life(false), { qos: 1, retain: true }, () => client.end());
      });
    },
  };
}

function clientOptions({ urls, username, password, tls }: BrokerAccess): IClientOptions {
  return {
    servers: urls.map((text) => {
      const url = new URL(text);
      const protocol = url.protocol === 'mqtts:' ? 'mqtts' : 'mqtt';
      return {
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port: Number(url.port) || (protocol === 'mqtts' ? 8883 : 1883),
        protocol,
      };
    }) as NonNullable<IClientOptions['servers']>,
    protocol: urls[0]?.startsWith('mqtts:') ? 'mqtts' : 'mqtt',
    protocolVersion: 4,
    clean: false,
    resubscribe: false,
    queueQoSZero: false,
    writeCache: false, // a table of all 65,536 packet ids, 9 MB, to save nothing at our pace
    keepalive: KEEP_ALIVE_s,
    connectTimeout: CONNECT_TIMEOUT_ms,
    reconnectPeriod: FIRST_RETRY_ms,
    reconnectOnConnackError: true, // a password may be mended at the broker while we wait
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...tls,
  };
}

/** A connection error as a person can act on it. */
function inWords(error: Error & { code?: string | number }, where: string): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return `no broker at ${where}: is it running? (connection refused)`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `no broker at ${where}: its name cannot be resolved; check broker.urls and the network's DNS`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return `no broker at ${where}: the host cannot be reached; check the cable, the address and the firewall`;
    case 4:
    case 5:
      return `the broker at ${where} refuses this node: check broker.username, broker.passwordFile and the broker's ACL`;
  }
  if (error.message === 'connack timeout')
    return `${where}: something listens, but it does not answer as an MQTT broker; check the port and mqtt or mqtts`;
  return `the broker at ${where}: ${error.message}`;
}
