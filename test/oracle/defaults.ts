import type { ModelOptions } from '../../src/actors/evictor/model.ts'
import { HOST, ZONE } from './clusters/things.ts'

/** Constraints for pods that have none of their own. */
export const DEFAULTS: NonNullable<ModelOptions['defaultConstraints']> = [
  { maxSkew: 3, topologyKey: ZONE, whenUnsatisfiable: 'DoNotSchedule' },
  { maxSkew: 2, topologyKey: HOST, whenUnsatisfiable: 'DoNotSchedule' },
]

/** The KubeSchedulerConfiguration that says so. */
export const configOf = (defaultConstraints: typeof DEFAULTS): object => ({
  apiVersion: 'kubescheduler.config.k8s.io/v1',
  kind: 'KubeSchedulerConfiguration',
  profiles: [{ pluginConfig: [{ name: 'PodTopologySpread', args: { defaultingType: 'List', defaultConstraints } }] }],
})
