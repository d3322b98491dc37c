/** What the columns of `p2pebt simulate` mean: under its table and in its help, which loads nothing else. */
export const LEGEND = [
  'base, result: cube root of PF, kW/h; base executes every order at once.',
  'over cap: rounds over capacity: the load alone exceeds it; orders that had to run exceed it; or a surprise, the load',
  'came out higher than its forecast, with which the decision kept within it.',
  'relay ops: contacts closed. An order continues, wherever possible, on a contact that was closed in the round before for',
  'an order of the same side, connector and power; otherwise it closes one.',
];
