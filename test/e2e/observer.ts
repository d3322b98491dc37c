/** Listens to a neighbourhood as anybody at its broker could: every message with its time, nothing of the nodes' inside. */
import { connectAsync, type MqttClient } from 'mqtt';
import { createVerify } from '../../firmware/adapters/ed25519.ts';
import { createGate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { Neighbourhood } from '../../firmware/protocol/genesis.ts';
import { type Signed, topicPrefix, type Vote } from '../../firmware/protocol/messages.ts';
import { makeRegistry, type Registry } from '../../firmware/protocol/registry.ts';

export interface Heard {
  /** performance.now() of this process. */
  readonly at_ms: number;
  readonly topic: string;
  readonly wire: Buffer;
  /** Null when the bytes are no message that a node of this neighbourhood has signed. */
  readonly message: Signed | null;
}

export interface Observer {
  readonly registry: Registry;
  readonly heard: readonly Heard[];
  readonly client: MqttClient;
  close(): Promise<void>;
}

export async function observe(url: string, neighbourhood: Neighbourhood): Promise<Observer> {
  const registry = makeRegistry(neighbourhood, sha256);
  const gate = createGate(registry, sha256, createVerify());
  const heard: Heard[] = [];
  const client = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 200 });
  client.on('error', () => undefined); // a broker that is away comes back
  client.on('message', (topic, wire) => {
    const examined = topic.includes('/status/') ? null : gate.examine(wire);
    const message = examined?.verdict === 'accept' ? examined.message : null;
    if (examined !== null) heard.push({ at_ms: performance.now(), topic, wire, message });
  });
  await client.subscribeAsync(`${topicPrefix(neighbourhood.microgrid)}/#`, { qos: 0 });
  return { registry, heard, client, close: () => client.endAsync(true) };
}

export const votes = (heard: readonly Heard[]): Signed<Vote>[] =>
  heard.flatMap(({ message }) => (message?.body.type === 'VOTE' ? [message as Signed<Vote>] : []));

/**
 * What no honest node ever signs, in words: two blocks with the same kind of vote in one view, or a FINAL in a view
 * that it skips (README.md of the protocol, "Voting", rules 1 and 2).
 */
export function contradictions(votes: readonly Pick<Signed<Vote>, 'sender' | 'view' | 'body'>[]): string[] {
  const said = new Map<string, string>();
  const wrong: string[] = [];
  for (const { sender, view, body } of votes) {
    if (body.kind === 'skip') continue;
    const key = `${sender} ${body.kind} ${view}`;
    if ((said.get(key) ?? body.block) !== body.block)
      wrong.push(`node ${sender}: two ${body.kind} votes in view ${view}`);
    said.set(key, body.block);
  }
  // A SKIP may cover millions of views (all before the first round): look at the FINALs, not at the views.
  const of = (kind: Vote['kind']) => votes.filter(({ body }) => body.kind === kind);
  const finals = of('final');
  for (const skip of of('skip'))
    for (const final of finals)
      if (final.sender === skip.sender && skip.view <= final.view && final.view <= skip.body.to)
        wrong.push(`node ${final.sender}: FINAL and SKIP in view ${final.view}`);
  return wrong;
}
