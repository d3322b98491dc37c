/** The core that a simulation runs: the device's own, or a mutant of it (mutants.ts). */
import { applyBlock } from '../../firmware/protocol/block.ts';
import { answer } from '../../firmware/protocol/consensus/answer.ts';
import { isSurplus } from '../../firmware/protocol/consensus/surplus.ts';
import { offenceOf } from '../../firmware/protocol/evidence.ts';
import { makeRegistry } from '../../firmware/protocol/registry.ts';
import { leaderOf } from '../../firmware/protocol/round.ts';
import { auditHeader, judgePlan, tiesOf } from '../../firmware/protocol/schedule.ts';
import { makeState } from '../../firmware/protocol/state.ts';
import { hasOpenOrder, restore, step } from '../../firmware/protocol/step.ts';

export const device = {
  applyBlock,
  auditHeader,
  judgePlan,
  leaderOf,
  makeRegistry,
  makeState,
  hasOpenOrder,
  answer,
  isSurplus,
  offenceOf,
  restore,
  step,
  tiesOf,
};

export type Core = typeof device;
