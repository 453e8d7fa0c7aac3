import { readFileSync } from 'node:fs'
import { Node, Pod, ReplicaSet } from '../../../src/events/kubernetes.ts'

const GPU = 'alibabacloud.com/gpu-milli'
const CARD = 'alibabacloud.com/gpu-card-model'
const rows = (file: string): readonly (readonly string[])[] =>
  readFileSync(new URL(`../../../data/openb/${file}`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(','))

/** A cluster from the openb trace: its nodes, and the pods of its default list placed by first fit from the most free on. */
export const openbObjects = (nodeCount: number, podCount: number): readonly (Node | Pod | ReplicaSet)[] => {
  const nodes = rows('openb_node_list_all_node.csv').slice(0, nodeCount)
  const free = nodes.map(([, cpu, memory, gpus]) => [Number(cpu), Number(memory), Number(gpus) * 1000])
  const objects: (Node | Pod | ReplicaSet)[] = nodes.map(([name = '', cpu, memory, gpus, model = '']) =>
    Node.parse({
      kind: 'Node',
      metadata: { name, uid: name, creationTimestamp: '2025-01-01T00:00:00Z', labels: { [CARD]: model } },
      status: { allocatable: { cpu: `${cpu}m`, memory: `${memory}Mi`, pods: '110', [GPU]: `${Number(gpus) * 1000}` } },
    }),
  )
  const sets = new Map<string, number>()
  for (const [name = '', cpu = '', memory = '', count, milli, spec = ''] of rows('openb_pod_list_default.csv').slice(
    0,
    podCount,
  )) {
    const want = [Number(cpu), Number(memory), Number(count) * Number(milli)]
    const models = spec === '' ? [] : spec.split('|')
    let at = -1
    for (const [index, left] of free.entries())
      if (
        want.every((amount, r) => amount <= (left[r] ?? 0)) &&
        (models.length === 0 || models.includes(nodes[index]?.[4] ?? '')) &&
        (at < 0 || (left[0] ?? 0) > (free[at]?.[0] ?? 0))
      )
        at = index
    if (at < 0) continue
    free[at] = (free[at] ?? []).map((left, r) => left - (want[r] ?? 0))
    const owner = `${want.join('-')}-${models.join('-')}`
    sets.set(owner, (sets.get(owner) ?? 0) + 1)
    objects.push(
      Pod.parse({
        kind: 'Pod',
        metadata: {
          name,
          namespace: 'openb',
          uid: name,
          labels: { app: owner },
          ownerReferences: [{ kind: 'ReplicaSet', name: owner, uid: owner, controller: true }],
        },
        spec: {
          nodeName: nodes[at]?.[0],
          containers: [
            { name: 'main', resources: { requests: { cpu: `${cpu}m`, memory: `${memory}Mi`, [GPU]: String(want[2]) } } },
          ],
          ...(models.length > 0 && {
            affinity: {
              nodeAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: {
                  nodeSelectorTerms: [{ matchExpressions: [{ key: CARD, operator: 'In', values: models }] }],
                },
              },
            },
          }),
        },
        status: { phase: 'Running' },
      }),
    )
  }
  for (const [name, replicas] of sets)
    objects.push(ReplicaSet.parse({ kind: 'ReplicaSet', metadata: { name, namespace: 'openb', uid: name }, spec: { replicas } }))
  return objects
}
