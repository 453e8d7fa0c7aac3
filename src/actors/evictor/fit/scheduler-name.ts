import { type Rule, refusal } from './rule.ts'

const NAME = 'SchedulerName'
const DEFAULT = 'default-scheduler'

/** Our own rule: what another scheduler would do is not known. */
export const schedulerName: Rule = {
  name: NAME,
  everywhere: (_, { spec: { schedulerName: name = DEFAULT } }) =>
    name === DEFAULT ? undefined : refusal(NAME, `the scheduler ${name} places it, which is not simulated`, 'Undecided'),
}
