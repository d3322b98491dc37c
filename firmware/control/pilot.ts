/**
 * The vehicle's say (IEC 61851-1 states): no contact closed without one, none on an error of the pilot circuit,
 * none on an answer that has grown old. States B and C are the sequence's business: B is a vehicle that does
 * not ask.
 */
import { openNow, rest } from './target.ts';
import type { Rule } from './types.ts';
import { span } from './words.ts';

export const pilot: Rule = ({ state, senses, limits }, below) => {
  const { connector } = senses;
  if (connector === null) return openNow('connector-silent', 'paused: the connector has not been heard yet');
  if (connector.age >= limits.senseOpen)
    return openNow('connector-silent', `paused: connector silent for ${span(connector.age)}`);
  switch (connector.status.pilot) {
    case 'A':
      return openNow('no-vehicle', 'idle: no vehicle is plugged in');
    case 'D':
      return openNow('ventilation', 'paused: the vehicle asks for ventilation, which this connector does not have');
    case 'E':
    case 'F':
      return openNow('pilot-error', `paused: pilot circuit in state ${connector.status.pilot}`);
    default: {
      const closing = below.contact !== 'none' && state[below.contact].wanted === 'open';
      return closing && connector.age > limits.fresh
        ? rest('connector-silent', `waiting: connector silent for ${span(connector.age)} (${below.reason.text})`)
        : below;
    }
  }
};
