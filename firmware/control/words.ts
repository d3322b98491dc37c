/** Figures as people read them in a reason. */
const tenths = (value: number): string => (Math.round(value * 10) / 10).toString();

export const kW = (power_W: number): string => `${tenths(power_W / 1000)} kW`;
export const kWh = (energy_Wh: number): string => `${tenths(energy_Wh / 1000)} kWh`;
export const amps = (current_mA: number): string => `${tenths(current_mA / 1000)} A`;
export const span = (time_ms: number): string =>
  time_ms < 120_000 ? `${Math.round(time_ms / 1000)} s` : `${Math.round(time_ms / 60_000)} min`;
