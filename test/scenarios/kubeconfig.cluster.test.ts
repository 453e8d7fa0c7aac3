import { connect } from 'nats'
import { expect, test, vi } from 'vitest'
import { connectionOptions } from '../../src/commands/session.ts'
import { subjects } from '../../src/events/subjects.ts'
import { controlPlaneForTest } from '../control-plane/for-test.ts'
import { addNodes, addPods, podsRunning } from '../control-plane/objects.ts'
import type { ControlPlane } from '../control-plane/start.ts'
import { startUp, systemSeedFile, type Up, withHome } from '../up.ts'

const [NODES, PODS] = [5, 40]

/** The subjects that OBJECTS holds of a core kind. */
const held = async ({ connection }: Up, resource: string): Promise<readonly string[]> => {
  const nc = await connect(connectionOptions(connection.url, systemSeedFile(connection)))
  try {
    const jsm = await nc.jetstreamManager()
    const filter = subjects(connection.cluster).objects({ group: '', resource })
    const { state } = await jsm.streams.info(await jsm.streams.find(filter), { subjects_filter: filter })
    return Object.keys(state.subjects ?? {}).toSorted()
  } finally {
    await nc.close()
  }
}

/** Who has ever written to an object, as the API server noted it. */
const writersOf = async ({ api }: ControlPlane, path: string): Promise<ReadonlySet<string>> => {
  const { items } = (await api.get(path)).body
  return new Set(items.flatMap(({ metadata }: any) => metadata.managedFields.map(({ manager }: any) => manager)))
}

test('kubeconfig: up observes a real control plane, tells NATS of all its nodes and pods, and writes nothing', {
  timeout: 600_000,
}, async () => {
  await using plane = await controlPlaneForTest()
  const nodes = await addNodes(plane.api, NODES)
  const pods = await addPods(plane.api, PODS, nodes)
  await podsRunning(plane.api, PODS)
  await withHome(async (home) => {
    const up = await startUp(home, '--kubeconfig', plane.kubeconfig('admin'), '--context', 'test')
    try {
      await vi.waitUntil(async () => (await up.status()).pods === PODS, { timeout: 120_000, interval: 500 })
      expect(await up.status()).toMatchObject({ phase: 'observing', nodes: NODES, pods: PODS, missingPowers: [] })
      const of = subjects(up.connection.cluster)
      const core = (resource: string) => ({ group: '', resource })
      expect(await held(up, 'nodes')).toEqual(nodes.map((name) => of.object(core('nodes'), undefined, name)))
      expect(await held(up, 'pods')).toEqual(pods.map((name) => of.object(core('pods'), 'default', name)))

      // What comes and goes is seen too, also after the API server was away.
      await plane.restart('kube-apiserver')
      await plane.api.delete(`/api/v1/namespaces/default/pods/${pods[0]}`)
      await vi.waitUntil(async () => (await up.status()).pods === PODS - 1, { timeout: 120_000, interval: 500 })
      for (const path of ['/api/v1/nodes', '/api/v1/pods', '/api/v1/namespaces'])
        expect(await writersOf(plane, path)).not.toContain('quartermaster')
    } finally {
      await up.stop()
    }
    expect(up.child.exitCode).toBe(0)
  })
})
