/**
 * A process that floods: `flooder.ts URL NEIGHBOURHOOD SECONDS-OF-THE-BENCH-NOW SCALE RATE NAME`. So many bad messages a
 * second under a member's name, of every kind that costs something, until it is killed. Distinct, so that no memory of
 * earlier ones helps, but for the repetitions, which are honest messages heard on the same bus.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connectAsync } from 'mqtt';
import { createSigner } from '../../firmware/adapters/ed25519.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { Neighbourhood } from '../../firmware/protocol/genesis.ts';
import { MESSAGE_MAX_BYTES } from '../../firmware/protocol/limits.ts';
import { messageTopic, payloadOf, topicPrefix, toSign, toWire } from '../../firmware/protocol/messages.ts';
import { makeRegistry } from '../../firmware/protocol/registry.ts';
import { decidedAt } from '../../firmware/protocol/round.ts';

const [url, file, now_ms, scale, rate, name] = process.argv.slice(2);
const neighbourhood = JSON.parse(readFileSync(file, 'utf8')) as Neighbourhood;
const registry = makeRegistry(neighbourhood, sha256);
const index = neighbourhood.nodes.findIndex((node) => node.name === name);
const stranger = createSigner(generateKeyPairSync('ed25519').privateKey);
const began = performance.now();
const deciding = (): number =>
  decidedAt(Number(now_ms) + (performance.now() - began) * Number(scale), neighbourhood.roundTime_s * 1000);

/** An order that nobody has seen, as a sender says who may or may not be one, signed by a stranger. */
let serial = 0;
function order(sender: number): Uint8Array {
  serial += 1;
  const about = { connector: 0, side: 'buy', price: 0, maxWait_rounds: 0, divisible: false } as const;
  const payload = payloadOf(
    {
      epoch: 0,
      round: deciding(),
      view: 0,
      sender,
      body: { type: 'ORDER', ref: serial, ...about, power_W: 100, minimum_W: 100 },
    },
    registry.tag,
  );
  return toWire({ payload, signature: stranger.sign(toSign(payload)) });
}

const client = await connectAsync(url, { protocolVersion: 4 });
let heard: Uint8Array = randomBytes(100);
client.on('message', (topic, wire) => {
  if (!topic.endsWith(`/${name}`) && !topic.includes('/status/')) heard = wire;
});
await client.subscribeAsync(`${topicPrefix(neighbourhood.microgrid)}/#`, { qos: 0 });

/** In a hundred messages: 40 forged, 29 repetitions, 20 of random bytes, 10 of nobody, one huge. */
function bad(nth: number): Uint8Array {
  const kind = nth % 100;
  if (kind === 0) return randomBytes(2 * MESSAGE_MAX_BYTES);
  if (kind % 5 < 2) return order(index);
  if (kind % 5 === 2) return randomBytes(200);
  return kind % 10 === 3 ? order(neighbourhood.nodes.length) : heard;
}

let sent = 0;
const topic = messageTopic(neighbourhood.microgrid, 'ORDER', name);
setInterval(() => {
  const due = (Number(rate) * (performance.now() - began)) / 1000;
  for (; sent < due; sent++) client.publish(topic, Buffer.from(bad(sent)), { qos: 1 });
}, 5);
