import type { DeploymentObject, PodTemplate, ReplicaSetObject } from '../objects.ts'
import { controllerUid, isTerminating, keyOfObject, ownerReferenceTo } from '../objects.ts'
import { suffixOf } from '../random.ts'
import type { World } from '../world.ts'
import { split, workQueue } from './queue.ts'

/** Keeps a ReplicaSet for each Deployment's template, and moves the replicas to it when the template changes. */
export const runDeployments = (world: World): void => {
  const { store, clock, timings } = world
  const queue = workQueue(clock, timings.controllerMs, (key) => {
    const deployment = store.get('deployments', ...split(key))
    if (deployment && !isTerminating(deployment)) reconcile(world, deployment)
  })
  store.subscribe(({ resource, object }) => {
    if (resource === 'deployments') queue.add(keyOfObject(object))
    const owner =
      resource === 'replicasets' ? object.metadata.ownerReferences?.find(({ kind }) => kind === 'Deployment') : undefined
    if (owner) queue.add(`${object.metadata.namespace}/${owner.name}`)
  })
  for (const deployment of store.all('deployments')) queue.add(keyOfObject(deployment))
}

export const POD_TEMPLATE_HASH = 'pod-template-hash'
/** The name that a template gives to its ReplicaSet, after the Deployment's. */
export const hashOf = (template: PodTemplate): string => suffixOf(JSON.stringify(template), 10)

const reconcile = (world: World, deployment: DeploymentObject): void => {
  const { template, replicas } = deployment.spec
  if (!template) return
  const wanted = replicas ?? 1
  const sets = [...world.store.all('replicasets')].filter((set) => controllerUid(set) === deployment.metadata.uid)
  const hash = hashOf(template)
  const current =
    sets.find(({ metadata }) => metadata.labels?.[POD_TEMPLATE_HASH] === hash) ?? make(world, deployment, template, hash)
  const fresh = scaleTo(world, current, wanted)
  const old = sets.filter((set) => set !== current)
  // The old pods go when the new ones are ready: a rollout with a surge of all replicas.
  const ready = (fresh.status.readyReplicas ?? 0) >= wanted
  const rest = old.map((set) => (ready || deployment.spec.strategy?.type === 'Recreate' ? scaleTo(world, set, 0) : set))
  report(world, deployment, fresh, rest)
}

const scaleTo = ({ store }: World, set: ReplicaSetObject, replicas: number): ReplicaSetObject =>
  set.spec.replicas === replicas
    ? set
    : store.update('replicasets', {
        ...set,
        metadata: { ...set.metadata, generation: (set.metadata.generation ?? 1) + 1 },
        spec: { ...set.spec, replicas },
      })

/** The template of a Deployment's ReplicaSet: its pods carry the hash. */
export const hashedTemplate = (template: PodTemplate, hash: string): PodTemplate => ({
  ...template,
  metadata: { ...template.metadata, labels: { ...template.metadata?.labels, [POD_TEMPLATE_HASH]: hash } },
})

const make = ({ store }: World, deployment: DeploymentObject, template: PodTemplate, hash: string): ReplicaSetObject => {
  const { namespace, name } = deployment.metadata
  const hashed = hashedTemplate(template, hash)
  return store.create('replicasets', {
    metadata: {
      name: `${name}-${hash}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: hashed.metadata?.labels ?? {},
      generation: 1,
      ownerReferences: [ownerReferenceTo(deployment)],
    },
    spec: {
      replicas: deployment.spec.replicas ?? 1,
      selector: {
        ...deployment.spec.selector,
        matchLabels: { ...deployment.spec.selector?.matchLabels, [POD_TEMPLATE_HASH]: hash },
      },
      template: hashed,
    },
    status: { replicas: 0 },
  })
}

const report = (
  { store }: World,
  deployment: DeploymentObject,
  current: ReplicaSetObject,
  old: readonly ReplicaSetObject[],
): void => {
  const replicas = [current, ...old].reduce((sum, { status }) => sum + (status.replicas ?? 0), 0)
  const ready = [current, ...old].reduce((sum, { status }) => sum + (status.readyReplicas ?? 0), 0)
  const status = deploymentStatus(replicas, current.status.replicas ?? 0, ready, deployment.metadata.generation)
  store.update('deployments', { ...deployment, status })
}

/** The status of a Deployment; counts of zero are left out, as Kubernetes does. */
export const deploymentStatus = (
  replicas: number,
  updated: number,
  ready: number,
  generation = 1,
): DeploymentObject['status'] => ({
  observedGeneration: generation,
  ...(replicas > 0 ? { replicas } : {}),
  ...(updated > 0 ? { updatedReplicas: updated } : {}),
  ...(ready > 0 ? { readyReplicas: ready, availableReplicas: ready } : {}),
})
