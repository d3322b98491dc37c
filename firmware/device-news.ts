/**
 * What the log says of the devices: one line when one stops answering, with address and cause, and one when it is
 * back. Fed with the troubles of each look; a single disturbed answer is no news.
 */

/** So many looks in a row make it so: a wire that is disturbed now and then must not fill the log. */
const LOOKS = 3;

export interface DeviceNews {
  readonly level: 'warn' | 'info';
  readonly text: string;
}

/** Troubles are as a HalError words them: `DEVICE: what`. Returns what is new since the last look. */
export function deviceNews(looks = LOOKS): (troubles: readonly string[]) => DeviceNews[] {
  const devices = new Map<string, { silent: boolean; otherwise: number }>();
  return (troubles) => {
    const now = new Map(troubles.map((text) => [text.split(': ', 1)[0], text]));
    for (const name of now.keys()) if (!devices.has(name)) devices.set(name, { silent: false, otherwise: 0 });
    return [...devices].flatMap(([name, device]): DeviceNews[] => {
      const trouble = now.get(name);
      device.otherwise = device.silent === (trouble !== undefined) ? 0 : device.otherwise + 1;
      if (device.otherwise < looks) return [];
      device.silent = !device.silent;
      device.otherwise = 0;
      return trouble === undefined
        ? [{ level: 'info', text: `${name} answers again` }]
        : [{ level: 'warn', text: `${trouble}; it is asked again until it answers` }];
    });
  };
}
