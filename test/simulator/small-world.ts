import { virtualClock } from '../../src/simulator/clock.ts'
import type { NodeObject, PodObject } from '../../src/simulator/objects.ts'
import { podIndex } from '../../src/simulator/pod-index.ts'
import type { Simulator, SimulatorOptions } from '../../src/simulator/simulator.ts'
import { createSimulator } from '../../src/simulator/simulator.ts'
import type { Beginning, Draft } from '../../src/simulator/store.ts'
import type { World } from '../../src/simulator/world.ts'
import { defaultTimings } from '../../src/simulator/world.ts'

export const START = Date.UTC(2026, 0, 1)

export const nodeDraft = (
  name: string,
  spec: NodeObject['spec'] = {},
  labels: Record<string, string> = {},
  allocatable: object = {},
): Draft<'nodes'> => ({
  metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
  spec,
  status: { allocatable: { cpu: '4', memory: '8Gi', pods: '10', ...allocatable } },
})
export const podDraft = (
  name: string,
  spec: Partial<PodObject['spec']> = {},
  labels: Record<string, string> = {},
): Draft<'pods'> => ({
  metadata: { name, namespace: 'default', labels },
  spec: {
    containers: [{ name: 'main', resources: { requests: { cpu: '1', memory: '1Gi' } } }],
    terminationGracePeriodSeconds: 2,
    ...spec,
  },
  status: { phase: 'Pending' },
})
export const deploymentDraft = (name: string, replicas: number): Draft<'deployments'> => ({
  metadata: { name, namespace: 'default', generation: 1 },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: podDraft('').spec },
  },
  status: {},
})

export type SmallWorld = Simulator & { readonly hand: World; advance(ms: number): void; pods(): readonly PodObject[] }

/** A world of a few objects whose time passes only when it is told to. */
export const smallWorld = async (begin: (store: Beginning) => void, options: SimulatorOptions = {}): Promise<SmallWorld> => {
  const clock = virtualClock(START)
  const simulator = await createSimulator({
    clock,
    begin(store) {
      store.create('namespaces', { metadata: { name: 'default', labels: {} } })
      begin(store)
    },
    ...options,
  })
  const { store } = simulator
  const hand = { store, clock, timings: defaultTimings, pods: podIndex(store) }
  return { ...simulator, hand, advance: clock.advance, pods: () => simulator.store.sorted('pods') }
}
