import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createModel } from '../../../src/actors/evictor/model.ts'
import { clusters, contents, modelOf, node, pod } from './cluster.ts'

test('model: is the same whatever the order in which its objects arrive', () => {
  const shuffled = clusters({ nodes: 5, pods: 12, ruled: true }).chain((objects) =>
    fc.tuple(fc.constant(objects), fc.shuffledSubarray([...objects], { minLength: objects.length })),
  )
  fc.assert(
    fc.property(shuffled, ([objects, other]) => {
      expect(contents(modelOf(...other))).toEqual(contents(modelOf(...objects)))
    }),
  )
})

test('model: after any changes equals the model built anew from what is left', () => {
  const story = clusters({ nodes: 5, pods: 12, ruled: true }).chain((objects) =>
    fc.tuple(fc.constant(objects), fc.array(fc.tuple(fc.constantFrom(...objects), fc.boolean()), { maxLength: 40 })),
  )
  fc.assert(
    fc.property(story, ([, changes]) => {
      const model = createModel()
      const left = new Map<string, (typeof changes)[number][0]>()
      for (const [object, there] of changes) {
        const { namespace, name } = object.metadata
        if (there) model.apply(object)
        else model.remove(object.kind, namespace, name)
        if (there) left.set(`${object.kind}/${name}`, object)
        else left.delete(`${object.kind}/${name}`)
      }
      expect(contents(model)).toEqual(contents(modelOf(...left.values())))
    }),
  )
})

test('model: a rollback undoes every move since the mark', () => {
  const moves = fc.array(fc.tuple(fc.nat(99), fc.option(fc.nat(99))), { maxLength: 30 })
  fc.assert(
    fc.property(clusters({ nodes: 5, pods: 12, ruled: true }), moves, (objects, list) => {
      const model = modelOf(...objects)
      const before = contents(model)
      const [pods, nodes] = [[...model.pods.values()], [...model.nodes.values()]]
      const mark = model.mark()
      for (const [p, n] of list) {
        const moved = pods[p % pods.length]
        if (moved) model.move(moved, n === null ? undefined : nodes[n % nodes.length])
      }
      model.rollback(mark)
      expect(contents(model)).toEqual(before)
    }),
  )
})

test('model: a pod asks for its containers and sidecars, or for its hungriest init container, plus overhead', () => {
  const container = (cpu: string, rest = {}) => ({ name: 'c', resources: { requests: { cpu } }, ...rest })
  const spec = {
    initContainers: [container('200m', { restartPolicy: 'Always' }), container('3')],
    containers: [container('1'), container('500m')],
    overhead: { cpu: '100m' },
  }
  const model = modelOf(node('n'), pod('p', 'n', { spec }))
  expect(model.columns.requested[model.columns.indexOf('cpu')]?.[0]).toBe(3_300)
})

test('model: a quantity that is none is refused and changes nothing', () => {
  const model = modelOf(node('n'))
  const before = contents(model)
  expect(() => model.apply(pod('p', 'n', { requests: { cpu: 'much' } }))).toThrow('"much" is not a resource quantity')
  expect(() => model.apply(node('m', { allocatable: { cpu: '' } }))).toThrow(RangeError)
  expect(contents(model)).toEqual(before)
})

test('model: a pod that has ended is forgotten', () => {
  const model = modelOf(node('n'), pod('p', 'n'))
  model.apply({ ...pod('p', 'n'), status: { phase: 'Succeeded' } })
  expect(model.pods.size).toBe(0)
})
