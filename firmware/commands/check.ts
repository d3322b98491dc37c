/** `p2pebt check`: what the configuration amounts to, for the person who commissions the charge point. */
import type { ModbusEndpoint } from '../../hal/drivers/modbus-bus.ts';
import { noAgreement, TO_AGREE } from '../alone.ts';
import type { Config, FirmataEndpoint } from '../config.ts';
import { limitsAt } from '../control/limits.ts';
import { canAgree } from '../protocol/seats.ts';

const DIGITS_OF_KEY = 16;

/** A readable summary of a configuration without problems, a line each. */
export function summary(config: Config): string[] {
  const { neighbourhood, self, broker, page, clock, meter } = config;
  const { nodes } = neighbourhood;
  const chargePoints = nodes.filter(({ role }) => role === 'charge-point').length;
  const key = Buffer.from(config.publicKey).toString('hex');
  const rows: [string, string][] = [
    [
      'node',
      `${self.name}, ${config.role} ${config.index < nodes.length ? `${config.index + 1} of ${nodes.length}` : `that joins as number ${config.index}`}, key ${key.slice(0, DIGITS_OF_KEY)}…`,
    ],
    [
      'neighbourhood',
      `${neighbourhood.microgrid}: ${chargePoints} charge point${chargePoints === 1 ? '' : 's'}, ${kW(neighbourhood.capacity_W)} import, rounds of ${neighbourhood.roundTime_s} s`,
    ],
    ['broker', broker.urls.join(', ') + (broker.username === undefined ? '' : ` as ${broker.username}`)],
    ['ledger', config.ledger],
    ['meter', `${meter.model} at ${wire(meter.endpoint)}, unit ${meter.unit}, every ${meter.period} ms`],
  ];
  if (config.role === 'charge-point') {
    const { connector, relays, owner } = config;
    const rated = self.connector!;
    const { hour, minute } = owner.departure;
    const pins = ({ pin, auxiliaryPin }: typeof relays.charge) => `pin ${pin}, auxiliary ${auxiliaryPin}`;
    rows.push(
      [
        'connector',
        `${connector.model} at ${wire(connector.endpoint)}, unit ${connector.unit}, ${connector.phases} x ${connector.maxCurrent / 1_000} A`,
      ],
      [
        '',
        `${rated.kind}: charges with ${kW(rated.charge_W)}, feeds back ${kW(rated.discharge_W)}, safe share ${kW(self.safeShare_W)}`,
      ],
      [
        'relays',
        `${relays.backend} at ${wire(relays.endpoint)}, charge ${pins(relays.charge)}${relays.discharge ? `, discharge ${pins(relays.discharge)}` : ''}`,
      ],
      [
        'owner',
        `${owner.energy / 1_000} kWh by ${pad(hour)}:${pad(minute)} ${owner.timeZone}, ${owner.maySell ? 'may sell' : 'does not sell'}`,
      ],
    );
  }
  rows.push(['page', page === 'off' ? 'off' : `http://${page.host}:${page.port}`]);
  if (clock) rows.push(['clock', `BENCH ONLY: ${clock.scale} times faster than real time`]);
  return [
    ...rows.map(([name, text]) => `  ${name.padEnd(14)}${text}`),
    ...(canAgree(chargePoints) ? [] : [noAgreement(chargePoints), ...tooSmallAShare(config), TO_AGREE]),
    'Everything is consistent. Hardware and broker were not touched.',
  ];
}

/** Without agreement there is never more than the safe share, so a vehicle must be able to follow it. */
function tooSmallAShare(config: Config): string[] {
  if (config.role !== 'charge-point') return [];
  const { minCurrent, voltage_V } = limitsAt(1);
  const { phases } = config.connector;
  const least_W = (minCurrent / 1_000) * voltage_V * phases;
  const { name, safeShare_W } = config.self;
  if (safeShare_W >= least_W) return [];
  return [
    `${name} WILL NEVER CHARGE: its safe share of ${kW(safeShare_W)} is below the ${kW(least_W)} that a vehicle on ` +
      `${phases} phase${phases === 1 ? '' : 's'} can follow; raise its safeShare_W.`,
  ];
}

const kW = (power_W: number) => `${power_W / 1_000} kW`;
const pad = (value: number) => String(value).padStart(2, '0');
/** Where a device is, for people. */
export const wire = (endpoint: ModbusEndpoint | FirmataEndpoint): string =>
  'host' in endpoint ? `${endpoint.host}:${endpoint.port}` : `${endpoint.path} (${endpoint.baudRate} baud)`;
