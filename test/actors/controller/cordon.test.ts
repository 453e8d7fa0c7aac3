import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cordoning, restoring } from '../../../src/actors/controller/cordon.ts'
import { mergePatchOf } from '../../../src/adapters/kubernetes/node-change.ts'
import { CORDONED_BY, FOUND } from '../../../src/events/controller.ts'
import type { Node } from '../../../src/events/kubernetes.ts'
import type { NodeChange } from '../../../src/ports.ts'
import { mergePatch } from '../../../src/simulator/patch.ts'

const UNSCHEDULABLE = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

const taints = fc.uniqueArray(
  fc.oneof(
    fc.constant(UNSCHEDULABLE),
    fc.record({
      key: fc.constantFrom('a', 'b', 'node.kubernetes.io/unschedulable'),
      effect: fc.constantFrom('NoExecute', 'PreferNoSchedule'),
    }),
  ),
  { maxLength: 4, selector: ({ key, effect }) => `${key}/${effect}` },
)
const nodes: fc.Arbitrary<Node> = fc
  .record(
    {
      annotations: fc.dictionary(fc.constantFrom('note', 'a/b~c'), fc.string(), { maxKeys: 2 }),
      unschedulable: fc.constant(true),
      taints: taints.filter(({ length }) => length > 0),
    },
    { requiredKeys: [] },
  )
  .map(({ annotations, ...spec }) => ({
    kind: 'Node',
    metadata: { name: 'n', uid: 'u', resourceVersion: '1', ...(annotations && { annotations }) },
    spec,
    status: { allocatable: {} },
  }))

/** The node as the API has it after the change; what the actors see of its annotations is less than there is. */
const patched = (node: Node, change: NodeChange | undefined): Node =>
  change ? (mergePatch(node as never, mergePatchOf(node as never, change) as never) as unknown as Node) : node
/** An empty map or list is the same as none. */
const plain = ({ metadata: { annotations = {} }, spec: { taints: list = [], ...spec } }: Node) => ({ annotations, list, spec })

test('cordon: the node is unschedulable and tainted at once, and says whose it is; again is nothing', () => {
  fc.assert(
    fc.property(nodes, (node) => {
      const cordoned = patched(node, cordoning(node, 'a1'))
      expect(cordoned.spec.unschedulable).toBe(true)
      expect(
        cordoned.spec.taints?.filter(({ key, effect }) => key === UNSCHEDULABLE.key && effect === 'NoSchedule'),
      ).toHaveLength(1)
      expect(cordoned.metadata.annotations?.[CORDONED_BY]).toBe('a1')
      expect(cordoning(cordoned, 'a1')).toBeUndefined()
    }),
  )
})

const order = (node: Node) => ({
  ...plain(node),
  list: plain(node)
    .list.map(({ key, effect }) => `${key}/${effect}`)
    .toSorted(),
})

test('cordon: taken back, the node is as it was found', () => {
  fc.assert(
    fc.property(nodes, (node) => {
      const cordoned = patched(node, cordoning(node, 'a1'))
      expect(order(patched(cordoned, restoring(cordoned, 'a1')))).toEqual(order(node))
    }),
  )
})

test('cordon: what another action cordoned is given back to it, and then as that had found it', () => {
  fc.assert(
    fc.property(nodes, (node) => {
      const first = patched(node, cordoning(node, 'a1'))
      const second = patched(first, cordoning(first, 'a2'))
      expect(second.metadata.annotations?.[CORDONED_BY]).toBe('a2')
      expect(restoring(second, 'a1')).toBeUndefined()
      const back = patched(second, restoring(second, 'a2'))
      expect(order(back)).toEqual(order(first))
      expect(order(patched(back, restoring(back, 'a1')))).toEqual(order(node))
    }),
  )
})

test('cordon: what others changed meanwhile stays, and a node without our mark is not touched', () => {
  fc.assert(
    fc.property(nodes, (node) => {
      const cordoned = patched(node, cordoning(node, 'a1'))
      const more = { key: 'other', effect: 'NoSchedule' }
      const changed: Node = { ...cordoned, spec: { ...cordoned.spec, taints: [more, ...(cordoned.spec.taints ?? [])] } }
      const back = patched(changed, restoring(changed, 'a1'))
      expect(back.spec.taints).toContainEqual(more)
      expect(restoring(node, 'a1')).toBeUndefined()
    }),
  )
})

test('cordon: annotations that the actors do not see, and the fields of taints that they do not know, stay', () => {
  const raw = {
    kind: 'Node',
    metadata: { name: 'n', uid: 'u', resourceVersion: '1', annotations: { note: 'kept' } },
    spec: { taints: [{ key: 'a', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' }] },
  }
  const seen: Node = {
    ...raw,
    kind: 'Node',
    metadata: { name: 'n', uid: 'u', resourceVersion: '1' },
    status: { allocatable: {} },
  }
  const change = cordoning(seen, 'a1') as NodeChange
  const after = mergePatch(raw as never, mergePatchOf(raw, change) as never) as unknown as Node
  expect(after.metadata.annotations).toEqual({ note: 'kept', [CORDONED_BY]: 'a1', [FOUND]: 'schedulable' })
  expect(after.spec.taints).toEqual([...raw.spec.taints, UNSCHEDULABLE])
})

test('cordon: the mark of an older release, which said nothing of how it found the node, makes it schedulable', () => {
  const old: Node = {
    kind: 'Node',
    metadata: { name: 'n', uid: 'u', resourceVersion: '1', annotations: { [CORDONED_BY]: 'a0' } },
    spec: { unschedulable: true, taints: [UNSCHEDULABLE] },
    status: { allocatable: {} },
  }
  expect(plain(patched(old, restoring(old, 'a0')))).toEqual({ annotations: {}, list: [], spec: {} })
  const hostile = { ...old, metadata: { ...old.metadata, annotations: { [CORDONED_BY]: 'a0', [FOUND]: 'nonsense' } } }
  expect(plain(patched(hostile, restoring(hostile, 'a0')))).toEqual({ annotations: {}, list: [], spec: {} })
})
