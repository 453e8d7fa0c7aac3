import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { type Means, reflectAll } from '../../../src/actors/agent/reflection.ts'
import type { Reflection } from '../../../src/actors/agent.ts'
import { catalogue } from '../../../src/events/kinds.ts'
import { type Finding, type ReflectorListener, Superseded, Unavailable } from '../../../src/ports.ts'
import type { JournaledEvent } from '../../../src/runtime/types.ts'

const names = ['pods', 'nodepools.karpenter.sh', 'rollouts.argoproj.io']
const kinds = catalogue().filter(({ name }) => names.includes(name))
type Found = { readonly [name: string]: string | { readonly is: 'absent' | 'forbidden' | 'unreadable' | 'unknown' } }

/** An API that serves what the test says, and a store that writes down what it is told. */
const bed = (found: Found, pace = { lookMs: 30, soonMs: 10, gatherMs: 1 }) => {
  const state = { found, isAway: false, looks: 0 }
  const said: string[] = []
  const reported: Record<string, unknown>[] = []
  const listeners = new Map<string, ReflectorListener>()
  const losts = new Map<string, AbortController>()
  const findings = (): readonly Finding[] =>
    kinds.map((kind): Finding => {
      const at = state.found[kind.name] ?? { is: 'absent' }
      return typeof at === 'string' ? { kind, is: 'served', version: at } : { kind, is: at.is, reason: at.is }
    })
  const means: Means = {
    kinds,
    pace,
    discovery: {
      discover: async () => {
        state.looks += 1
        if (state.isAway) throw new Unavailable('no answer')
        return findings()
      },
    },
    openStore: async ({ kind, version }) => {
      said.push(`open ${kind.name} ${version}`)
      const lost = new AbortController()
      losts.set(kind.name, lost)
      const nothing = (): void => {}
      return {
        watermark: undefined,
        lost: lost.signal,
        meta: () => ({ count: 3 }),
        flush: async () => {},
        unavailable: async (reason, isGone) => void said.push(`${kind.name} is ${reason}${isGone ? ', emptied' : ''}`),
        close: async () => void said.push(`close ${kind.name}`),
        listing: nothing,
        page: nothing,
        listed: nothing,
        changed: nothing,
        bookmark: nothing,
        stalled: nothing,
        recovered: nothing,
        malformed: nothing,
      }
    },
    reads: {
      reflect: async ({ kind, version }, from, listener, signal) => {
        said.push(`reflect ${kind.name} ${version} ${from ?? 'from the list'}`)
        listeners.set(kind.name, listener)
        await listener.listed('1')
        if (!signal.aborted) await once(signal, 'abort')
      },
    },
  }
  const end = new AbortController()
  const run = (given: Reflection, attempt = 1): Promise<void> =>
    reflectAll(means, given, {
      key: 'k',
      actor: { type: 'agent', id: 'demo' },
      signal: end.signal,
      attempt,
      report: async (event: JournaledEvent) => {
        reported.push(event)
        Object.assign(kept, event['kinds'])
      },
    })
  /** The last that was said of each kind. */
  const kept: Record<string, unknown> = {}
  return { state, said, reported, kept, listeners, losts, run, end }
}
const all: Reflection = {
  served: { pods: 'v1', 'nodepools.karpenter.sh': 'v1' },
  unavailable: { 'rollouts.argoproj.io': { why: 'absent', reason: 'absent' } },
  relist: false,
}
const served: Found = { pods: 'v1', 'nodepools.karpenter.sh': 'v1' }
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5_000, interval: 5 })
const during = async (
  found: Found,
  given: Reflection,
  story: (world: ReturnType<typeof bed>) => Promise<void>,
  pace?: Means['pace'],
  attempt = 1,
) => {
  const world = bed(found, pace)
  const running = world.run(given, attempt).catch((error: unknown) => {
    if (!world.end.signal.aborted) throw error
  })
  try {
    await Promise.race([story(world), running.then(() => Promise.reject(new Error('the reflection ended')))])
  } finally {
    world.end.abort()
    await running
  }
  return world
}

test('reflection: reads what is served, and tells readers of OBJECTS what is not', () =>
  during(served, all, async ({ kept, said }) => {
    await eventually(() => expect(kept).toMatchObject({ pods: { state: 'streaming', version: 'v1', count: 3 } }))
    await eventually(() => expect(said).toContain('rollouts.argoproj.io is absent, emptied'))
  }))

test('reflection: a kind that is installed later is read, and the others do not notice', () =>
  during(served, all, async ({ state, kept, said }) => {
    await eventually(() => expect(state.looks).toBeGreaterThan(0))
    state.found = { ...served, 'rollouts.argoproj.io': 'v1alpha1' }
    await eventually(() => expect(kept).toMatchObject({ 'rollouts.argoproj.io': { state: 'streaming', version: 'v1alpha1' } }))
    expect(said.filter((line) => line.startsWith('reflect pods'))).toHaveLength(1)
    expect(said).not.toContain('close pods')
  }))

test('reflection: a kind that goes is emptied, one that becomes forbidden keeps its records; both come back', () =>
  during(served, all, async ({ state, kept, said }) => {
    await eventually(() => expect(kept).toHaveProperty('pods'))
    state.found = { pods: { is: 'forbidden' } }
    await eventually(() =>
      expect(kept).toMatchObject({
        pods: { state: 'unavailable', why: 'forbidden' },
        'nodepools.karpenter.sh': { state: 'unavailable', why: 'absent' },
      }),
    )
    await eventually(() =>
      expect(said).toEqual(expect.arrayContaining(['pods is forbidden', 'nodepools.karpenter.sh is absent, emptied'])),
    )
    state.found = served
    await eventually(() =>
      expect(kept).toMatchObject({ pods: { state: 'streaming' }, 'nodepools.karpenter.sh': { state: 'streaming' } }),
    )
  }))

test('reflection: bad news that is heard once is a doubt, as of an API server that is just starting', () =>
  during(served, all, async ({ state, kept, said }) => {
    await eventually(() => expect(kept).toHaveProperty('pods'))
    const before = state.looks
    state.found = {}
    await eventually(() => expect(state.looks).toBe(before + 1))
    state.found = served
    await eventually(() => expect(state.looks).toBeGreaterThan(before + 3))
    expect(kept).toMatchObject({ pods: { state: 'streaming' } })
    expect(said.filter((line) => line.startsWith('pods is'))).toEqual([])
  }))

test('reflection: what the API can not say changes nothing, nor does an API that does not answer', () =>
  during(served, all, async ({ state, kept, said }) => {
    await eventually(() => expect(kept).toHaveProperty('pods'))
    state.found = { pods: { is: 'unknown' }, 'nodepools.karpenter.sh': { is: 'unknown' } }
    const before = state.looks
    await eventually(() => expect(state.looks).toBeGreaterThan(before + 2))
    state.isAway = true
    await eventually(() => expect(state.looks).toBeGreaterThan(before + 4))
    expect(kept).toMatchObject({ pods: { state: 'streaming' } })
    expect(said.filter((line) => line.startsWith('close'))).toEqual(['close rollouts.argoproj.io'])
  }))

test('reflection: the version that is served is followed', () =>
  during(served, all, async ({ state, kept, said }) => {
    await eventually(() => expect(kept).toHaveProperty('pods'))
    state.found = { ...served, 'nodepools.karpenter.sh': 'v1beta1' }
    await eventually(() => expect(kept).toMatchObject({ 'nodepools.karpenter.sh': { state: 'streaming', version: 'v1beta1' } }))
    const lines = said.filter((line) => line.includes('nodepools'))
    expect(lines.indexOf('close nodepools.karpenter.sh')).toBeLessThan(lines.indexOf('open nodepools.karpenter.sh v1beta1'))
  }))

test('reflection: a stall is told once, and so is its end', () =>
  during(served, all, async ({ state, kept, listeners, reported }) => {
    await eventually(() => expect(listeners.has('pods')).toBe(true))
    await listeners.get('pods')?.stalled('no answer')
    await eventually(() => expect(kept).toMatchObject({ pods: { state: 'stalled', version: 'v1', reason: 'no answer' } }))
    const told = reported.length
    await listeners.get('pods')?.stalled('no answer')
    const before = state.looks
    await eventually(() => expect(state.looks).toBeGreaterThan(before + 1))
    expect(reported).toHaveLength(told)
    await listeners.get('pods')?.recovered()
    await eventually(() => expect(kept).toMatchObject({ pods: { state: 'streaming', count: 3 } }))
  }))

test('reflection: a kind that stalls is looked after long before the next look is due', () =>
  during(
    served,
    all,
    async ({ state, listeners, kept }) => {
      await eventually(() => expect(kept).toHaveProperty('pods'))
      expect(state.looks).toBe(0)
      await listeners.get('pods')?.stalled('404')
      await eventually(() => expect(state.looks).toBe(1))
    },
    { lookMs: 3_600_000, soonMs: 10, gatherMs: 1 },
  ))

test('reflection: a process after the first looks at once, and does not list again what a resync asked for', () =>
  during(
    served,
    { served: { pods: 'v1' }, unavailable: {}, relist: true },
    async ({ kept, said }) => {
      await eventually(() => expect(kept).toMatchObject({ 'nodepools.karpenter.sh': { state: 'streaming' } }))
      await eventually(() => expect(kept).toMatchObject({ 'rollouts.argoproj.io': { state: 'unavailable', why: 'absent' } }))
      expect(said).toContain('reflect pods v1 from the list') // the store has no watermark
    },
    undefined,
    2,
  ))

test('reflection: ends when another agent took over what a kind keeps, and leaves nothing open', async () => {
  const world = bed(served)
  const running = world.run(all)
  await eventually(() => expect(world.losts.has('pods')).toBe(true))
  await eventually(() => expect(world.listeners.has('pods')).toBe(true))
  const taken = expect(running).rejects.toBeInstanceOf(Superseded)
  world.losts.get('pods')?.abort(new Superseded('another agent'))
  await taken
  expect(world.said.filter((line) => line.startsWith('open'))).toHaveLength(
    world.said.filter((line) => line.startsWith('close')).length,
  )
})
