import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createModel, type Model } from '../../../src/actors/evictor/model.ts'
import { clusters, contents, modelOf, node, pod } from './cluster.ts'
import { after, change, changes, followed, verdicts } from './worlds.ts'

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

test('model: after any changes equals the model built anew from what is left, and answers the same', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 60 }), (list) => {
      const model = createModel()
      for (const [index, each] of list.entries()) {
        change(model, each)
        if (index % 7 === 0) verdicts(model) // from here on its tallies are kept up to date
      }
      const anew = modelOf(...after(list))
      expect(contents(model)).toEqual(contents(anew))
      expect(verdicts(model)).toEqual(verdicts(anew))
    }),
    { numRuns: 150 },
  )
})

test('model: equals the rebuilt one all along some thousand random changes', () => followed(3_000, 7))

type Trial = { readonly pod: number; readonly to: number | null; readonly drain: number | null }
const trials: fc.Arbitrary<readonly Trial[]> = fc.array(
  fc.record({ pod: fc.nat(99), to: fc.option(fc.nat(99)), drain: fc.option(fc.nat(99), { freq: 3 }) }),
  { maxLength: 30 },
)
const tryOut = (model: Model, list: readonly Trial[]): void => {
  const [pods, nodes] = [[...model.pods.values()], [...model.nodes.values()]]
  for (const { pod: p, to, drain } of list) {
    const moved = pods[p % pods.length]
    if (moved) model.move(moved, to === null ? undefined : nodes[to % nodes.length])
    const drained = drain === null ? undefined : nodes[drain % nodes.length]
    if (drained) model.drain(drained)
  }
}

test('model: a rollback restores it exactly, and forks may lie within forks', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 50 }), trials, trials, (list, first, second) => {
      const model = modelOf(...after(list))
      const [before, answers] = [contents(model), verdicts(model)]
      const outer = model.mark()
      tryOut(model, first)
      const [between, middle] = [contents(model), verdicts(model)]
      const inner = model.mark()
      tryOut(model, second)
      verdicts(model)
      model.rollback(inner)
      expect(contents(model)).toEqual(between)
      expect(verdicts(model)).toEqual(middle)
      model.rollback(outer)
      expect(contents(model)).toEqual(before)
      expect(verdicts(model)).toEqual(answers)
    }),
    { numRuns: 150 },
  )
})

test('model: moves on trial answer as the cluster would in which the pods are there', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 50 }), trials, (list, moves) => {
      const model = modelOf(...after(list))
      verdicts(model)
      tryOut(
        model,
        moves.map((each) => ({ ...each, drain: null })),
      )
      const places = new Map([...model.pods].map(([key, { node }]) => [key, node?.name]))
      const moved = after(list).map((object) => {
        if (object.kind !== 'Pod') return object
        const { nodeName: _, ...spec } = object.spec
        const at = places.get(`${object.metadata.namespace}/${object.metadata.name}`)
        return { ...object, spec: at === undefined ? spec : { ...spec, nodeName: at } }
      })
      expect(verdicts(model)).toEqual(verdicts(modelOf(...moved)))
    }),
    { numRuns: 150 },
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
