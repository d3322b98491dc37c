/** The lasting conditions that a person should know of, whatever the contacts do at the moment. */
import { meterOpenAfter } from './meter-sense.ts';
import type { Direction, Fault, FaultCode, Situation } from './types.ts';

export function faultsOf({ state, senses, limits }: Situation): readonly Fault[] {
  const faults: Fault[] = [];
  const add = (code: FaultCode, when: boolean, text: string) => {
    if (when) faults.push({ code, text });
  };
  for (const which of ['charge', 'discharge'] satisfies Direction[]) {
    add(
      'welded-contact',
      state[which].welded,
      `the ${which} contact is welded: isolate the connector, replace it, then clear`,
    );
    add('contact-did-not-close', state[which].failedToClose, `the ${which} contact did not close when told to`);
  }
  const { meter, connector, relays } = senses;
  for (const fault of [...(connector?.status.faults ?? [])].sort())
    add('connector-fault', true, `the connector reports ${fault}`);
  const pilot = connector?.status.pilot;
  add('pilot-error', pilot === 'E' || pilot === 'F', `pilot circuit in state ${pilot}`);
  const silent = meter === null || meter.age >= meterOpenAfter(meter.period, limits);
  add('meter-silent', silent, 'no reading from the meter');
  add('connector-silent', connector === null || connector.age >= limits.senseOpen, 'no answer from the connector');
  add('read-back-lost', relays === null || relays.age >= limits.senseOpen, 'the contacts cannot be seen');
  add('clock-untrusted', !senses.clockTrusted, 'the time is not trusted: no new plans, no discharge');
  return faults;
}
