/**
 * Whole numbers with their unit in the type. Import (energy drawn from the grid, current into the vehicle)
 * counts positive everywhere. Where a unit cannot be a type (JSON, SQL, configuration) it ends the name:
 * `limit_mA`.
 */
declare const unit: unique symbol;

export type Quantity<U extends string> = number & { readonly [unit]: U };
export type Milliamps = Quantity<'mA'>;
export type Watts = Quantity<'W'>;
export type WattHours = Quantity<'Wh'>;
export type Millis = Quantity<'ms'>;
export type UnixMillis = Quantity<'ms since 1970'>;

const whole =
  <U extends string>(name: U) =>
  (value: number): Quantity<U> => {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${name}: ${value} is not a whole number`);
    return value as Quantity<U>;
  };

/** Each throws RangeError for anything but a safe integer. */
export const milliamps = whole('mA');
export const watts = whole('W');
export const wattHours = whole('Wh');
export const millis = whole('ms');
export const unixMillis = whole('ms since 1970');
