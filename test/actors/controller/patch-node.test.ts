import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Patchable, patchFor, undoOf } from '../../../src/actors/controller/patch-node.ts'

const key = fc.constantFrom('a', 'b', 'c')
const bag = fc.dictionary(key, fc.constantFrom('1', '2'))
const taint = fc.record({ key, value: fc.constantFrom('', 'x'), effect: fc.constantFrom('NoSchedule', 'NoExecute') })
// As the API server demands: one taint for each key and effect.
const taints = fc.uniqueArray(taint, { selector: ({ key: of, effect }) => `${of}/${effect}` })
const node = fc.record({ labels: bag, annotations: bag, taints, unschedulable: fc.boolean() })

const signed = fc.tuple(key, fc.boolean()).map(([name, goes]) => (goes ? `-${name}` : name))
const values = fc
  .uniqueArray(fc.tuple(signed, fc.constantFrom('1', '2')), { selector: ([name]) => name.replace('-', '') })
  .map((entries) => Object.fromEntries(entries))
const changes = fc.record(
  {
    labels: values,
    annotations: values,
    taints: fc.uniqueArray(
      fc.record({ key: signed, value: fc.constantFrom('', 'x'), effect: fc.constantFrom('NoSchedule', 'NoExecute') }),
      {
        selector: ({ key: of, effect }) => `${of.replace('-', '')}/${effect}`,
      },
    ),
    unschedulable: fc.boolean(),
  },
  { requiredKeys: ['labels', 'annotations', 'taints'] },
) as fc.Arbitrary<Parameters<typeof patchFor>[1]>

/** A merge patch as RFC 7386 has it. */
const merged = (target: unknown, patch: unknown): unknown => {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const before = typeof target === 'object' && target !== null ? target : {}
  const entries = Object.entries(patch).map(([field, value]) => [
    field,
    merged((before as Record<string, unknown>)[field], value),
  ])
  return Object.fromEntries(Object.entries({ ...before, ...Object.fromEntries(entries) }).filter(([, value]) => value !== null))
}
const after = (of: Patchable, patch: object | undefined): Patchable => {
  const { labels, annotations, taints: list, unschedulable } = of
  const { metadata, spec } = merged(
    { metadata: { labels, annotations }, spec: { taints: list, unschedulable } },
    patch ?? {},
  ) as {
    metadata: Pick<Patchable, 'labels' | 'annotations'>
    spec: Partial<Pick<Patchable, 'taints' | 'unschedulable'>>
  }
  return { ...metadata, taints: spec.taints ?? [], unschedulable: spec.unschedulable ?? false }
}

test('PatchNode: a second time there is nothing left to change', () => {
  fc.assert(
    fc.property(node, changes, (before, wanted) => {
      const patched = after(before, patchFor(before, wanted))
      expect(patchFor(patched, wanted)).toBeUndefined()
    }),
  )
})

test('PatchNode: its undo gives back what was there, and nothing else', () => {
  const inAnyOrder = ({ taints: list, ...rest }: Patchable) => ({
    ...rest,
    taints: list.map(({ key: of, value = '', effect }) => `${of}=${value}:${effect}`).toSorted(),
  })
  fc.assert(
    fc.property(node, changes, (before, wanted) => {
      const patched = after(before, patchFor(before, wanted))
      const undone = after(patched, patchFor(patched, undoOf(before, wanted)))
      expect(inAnyOrder(undone)).toEqual(inAnyOrder(before))
    }),
  )
})

test('PatchNode: what the order does not name stays as it is', () => {
  fc.assert(
    fc.property(node, changes, (before, wanted) => {
      const { labels } = after(before, patchFor(before, wanted))
      const named = new Set(Object.keys(wanted.labels).map((name) => name.replace('-', '')))
      for (const name of ['a', 'b', 'c']) if (!named.has(name)) expect(labels[name]).toBe(before.labels[name])
    }),
  )
})
