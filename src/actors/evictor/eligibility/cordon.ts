import { tolerates } from '../../../events/selector.ts'
import { UNSCHEDULABLE } from '../fit/node-unschedulable.ts'
import type { PodRule } from './rule.ts'

/** The scheduler could put its replacement onto the very node that it has to leave, again and again. */
export const toleratesCordon: PodRule = {
  name: 'ToleratesCordon',
  why: ({ shape: { spec } }) =>
    tolerates(spec.tolerations, UNSCHEDULABLE) ? 'it tolerates a cordon: its replacement could come back to the node' : undefined,
}
