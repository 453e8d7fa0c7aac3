import type { Client, Reply } from '../../kubernetes-client.ts'
import { type Random, random } from '../../simulation/random.ts'
import { smallPod } from '../objects.ts'

/** What there is to be changed. It may be wrong: what is changed may be gone by then, as in life. */
type Scene = {
  readonly api: Client
  readonly chance: Random
  readonly nodes: readonly string[]
  readonly spaces: string[]
  /** Paths. */
  readonly pods: string[]
  readonly deployments: string[]
  made: number
}
/** One request, or two where the second is what matters. */
type Change = (scene: Scene) => Promise<Reply | undefined>

const PARALLEL = 16
/** Gone, there already, or its namespace is on its way out. */
const DAILY_LIFE: readonly number[] = [403, 404, 409]

/** What is changed if there is nothing. */
const NOTHING = '/api/v1/namespaces/default/pods/nothing'

const any = (items: readonly string[], chance: Random): string => chance.any(items) ?? NOTHING
const taken = (items: string[], chance: Random): string => items.splice(chance.below(items.length), 1)[0] ?? NOTHING
const marks = (chance: Random) => ({
  labels: { mark: `m${chance.below(1_000)}`, tier: chance.pick(['front', 'back', 'none']) },
  annotations: { 'example.com/note': 'x'.repeat(chance.below(200)), 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true' },
})
const podIn = (scene: Scene, space: string, name: string): Promise<Reply> => {
  const pod = smallPod(name, { nodeName: any(scene.nodes, scene.chance) }, { app: 'changing' })
  return scene.api.post(`/api/v1/namespaces/${space}/pods`, pod)
}

const addPod: Change = async (scene) => {
  const [space, name] = [any(scene.spaces, scene.chance), `changing-${++scene.made}`]
  scene.pods.push(`/api/v1/namespaces/${space}/pods/${name}`)
  return podIn(scene, space, name)
}
const markPod: Change = ({ api, chance, pods }) => api.patch(any(pods, chance), { metadata: marks(chance) })
const removePod: Change = ({ api, chance, pods }) => api.delete(taken(pods, chance))
/** Another object of the same name, at once. */
const replacePod: Change = async (scene) => {
  const path = any(scene.pods, scene.chance)
  const [, , , , space = '', , name = ''] = path.split('/')
  await scene.api.delete(path)
  return podIn(scene, space, name)
}
const addDeployment: Change = ({ api, chance, spaces, deployments, ...scene }) => {
  const [space, name] = [any(spaces, chance), `changing-${deployments.length}-${scene.made}`]
  const labels = { app: name }
  const { spec } = smallPod(name)
  deployments.push(`/apis/apps/v1/namespaces/${space}/deployments/${name}`)
  return api.post(`/apis/apps/v1/namespaces/${space}/deployments`, {
    metadata: { name },
    spec: { replicas: chance.below(4), selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  })
}
const scaleDeployment: Change = ({ api, chance, deployments }) =>
  api.patch(any(deployments, chance), { metadata: marks(chance), spec: { replicas: chance.below(4) } })
const removeDeployment: Change = ({ api, chance, deployments }) => api.delete(taken(deployments, chance))
const markNode: Change = ({ api, chance, nodes }) =>
  api.patch(`/api/v1/nodes/${any(nodes, chance)}`, { metadata: marks(chance), spec: { unschedulable: chance.happens(0.1) } })
const addNode: Change = ({ api, chance, ...scene }) =>
  api.post('/api/v1/nodes', {
    metadata: { name: `passing-${chance.below(20)}`, ...marks(chance) },
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '10' }, capacity: { cpu: '4', memory: '8Gi', pods: '10' } },
    spec: { providerID: `kwok://passing-${scene.made}` },
  })
const removeNode: Change = ({ api, chance }) => api.delete(`/api/v1/nodes/passing-${chance.below(20)}`)
const addSpace: Change = ({ api, spaces, ...scene }) => {
  const name = `changing-${spaces.length}-${scene.made}`
  spaces.push(name)
  return api.post('/api/v1/namespaces', { metadata: { name } })
}
const removeSpace: Change = async ({ api, chance, spaces }) => {
  if (spaces.length < 3) return undefined
  return api.delete(`/api/v1/namespaces/${spaces.splice(1 + chance.below(spaces.length - 1), 1)[0]}`)
}

/** How often of a thousand. */
const shares: readonly (readonly [number, Change])[] = [
  [300, addPod],
  [330, markPod],
  [180, removePod],
  [60, replacePod],
  [25, addDeployment],
  [40, scaleDeployment],
  [10, removeDeployment],
  [25, markNode],
  [12, addNode],
  [8, removeNode],
  [6, addSpace],
  [4, removeSpace],
]

const drawn = (chance: Random): Change => {
  let left = chance.below(1_000)
  for (const [share, change] of shares) {
    left -= share
    if (left < 0) return change
  }
  return markPod
}

export type Changes = {
  /** Makes so many changes, several at once. @returns how many the API took */
  make(count: number): Promise<number>
}

/**
 * Changes by chance: pods, nodes, deployments and namespaces come, go, change, and come again under the same name.
 * @param pods names of those in the namespace `default`
 */
export const changes = (api: Client, seed: number, nodes: readonly string[], pods: readonly string[]): Changes => {
  const paths = pods.map((name) => `/api/v1/namespaces/default/pods/${name}`)
  const scene: Scene = { api, chance: random(seed), nodes, spaces: ['default'], pods: paths, deployments: [], made: 0 }
  return {
    make: async (count) => {
      let [left, accepted] = [count, 0]
      const work = async (): Promise<void> => {
        while (left-- > 0) {
          const reply = await drawn(scene.chance)(scene)
          if (reply === undefined) continue
          if (reply.status < 300) accepted += 1
          else if (!DAILY_LIFE.includes(reply.status)) throw new Error(`${reply.status} ${JSON.stringify(reply.body)}`)
        }
      }
      await Promise.all(Array.from({ length: PARALLEL }, work))
      return accepted
    },
  }
}
