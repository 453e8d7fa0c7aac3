import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nodeWaits } from '../../../src/adapters/kubernetes/node-waits.ts'
import type { KubernetesReads, ReflectorListener } from '../../../src/ports.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const record = (name: string) => ({
  metadata: { name, uid: name, resourceVersion: '1' },
  text: Buffer.from(JSON.stringify({ metadata: { name } })),
})
/** Reads whose watches a test tells what to say. */
const scripted = () => {
  const watches: { readonly listener: ReflectorListener; readonly signal: AbortSignal }[] = []
  const reflect: KubernetesReads['reflect'] = (_, __, listener, signal) => {
    watches.push({ listener, signal })
    return new Promise(() => {})
  }
  const listing = async (...names: readonly string[]) => {
    const { listener } = watches.at(-1) ?? {}
    await listener?.listing()
    await listener?.page(names.map(record))
    await listener?.listed('1')
  }
  return { waits: nodeWaits({ reflect }), watches, listing }
}
const never = new AbortController().signal
const isThere = (node: object | undefined): string => (node ? 'there' : 'gone')

test('node waits: thousands who come one after the other share one list; it ends a moment after the last', async () => {
  const { waits, watches, listing } = scripted()
  const first = waits.awaitNode('n1', isThere, never)
  await listing('n1')
  expect(await first).toBe('there')
  for (let index = 0; index < 1_000; index++) expect(await waits.awaitNode('n1', isThere, never)).toBe('there')
  expect(await waits.awaitNode('n2', isThere, never)).toBe('gone')
  expect(watches).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(watches[0]?.signal.aborted).toBe(true)
  void waits.awaitNode('n1', isThere, never)
  expect(watches).toHaveLength(2)
})

test('node waits: whoever waits keeps the watch', async () => {
  const { waits, watches, listing } = scripted()
  const waiting = new AbortController()
  const deleted = waits.awaitNode('n1', (node) => (node ? undefined : 'gone'), waiting.signal)
  await listing('n1')
  expect(await waits.awaitNode('n1', isThere, never)).toBe('there')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(watches[0]?.signal.aborted).toBe(false)
  await watches[0]?.listener.changed({ type: 'DELETED', object: { metadata: { name: 'n1' } } as never }, '2')
  expect(await deleted).toBe('gone')
})

test('node waits: while the API is silent nothing is judged by what was known before', async () => {
  const { waits, watches, listing } = scripted()
  const first = waits.awaitNode('n1', isThere, never)
  await listing('n1')
  await first
  await watches[0]?.listener.stalled('silent')
  const judged = vi.fn(isThere)
  const second = waits.awaitNode('n1', judged, never)
  expect(judged).not.toHaveBeenCalled()
  await watches[0]?.listener.recovered()
  expect(await second).toBe('there')
})
