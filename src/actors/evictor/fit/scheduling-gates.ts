import { type Rule, refusal } from './rule.ts'

const NAME = 'SchedulingGates'

/** Who waits at a gate is not scheduled before somebody else opens it. Source: `plugins/schedulinggates`. */
export const schedulingGates: Rule = {
  name: NAME,
  everywhere: (_, { spec: { schedulingGates: gates = [] } }) =>
    gates[0] && refusal(NAME, `it waits at the scheduling gate ${gates[0].name}`),
}
