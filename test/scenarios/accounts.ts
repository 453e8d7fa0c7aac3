import { expect, vi } from 'vitest'
import { subjects } from '../../src/events/subjects.ts'
import { history, type Told, type Up, world } from '../up.ts'

type Pod = { readonly metadata: { readonly uid: string; readonly name: string }; readonly spec: { readonly nodeName?: string } }
type Node = { readonly metadata: { readonly name: string }; readonly spec: { readonly unschedulable?: boolean } }

/** Lets the wave under way end, and no other begin; then looks at what happened and at what is there. */
const finish = async (up: Up, home: string) => {
  const { nc, connection } = up
  // After an outage its lease may have to be won back first.
  const pause = (): Promise<unknown> =>
    nc.request(subjects(connection.cluster).call('evictor', 'Pause'), '{}', { timeout: 10_000 })
  await vi.waitUntil(() => pause().then(Boolean, () => false), { timeout: 60_000, interval: 500 })
  const isPaused = async (): Promise<boolean> =>
    (await up.status()).actors.find(({ type }) => type === 'evictor')?.state === 'paused'
  await vi.waitUntil(() => isPaused().catch(() => false), { timeout: 90_000, interval: 250 })
  // Events come in the journal's order: once this refusal is told, all before it are.
  await up.call('Connect')
  await up.until('the refusal', ({ fact, data }) => fact === 'cluster.CommandRefused' && data['command'] === 'cluster.Connect')
  const events = await history(up)
  const audit = (await world(home, '/simulator/audit')) as { readonly items: readonly { readonly uid: string }[] }
  const nodes = (await world(home, '/api/v1/nodes')) as { readonly items: readonly Node[] }
  const pods = (await world(home, '/api/v1/pods')) as { readonly items: readonly Pod[] }
  return { events, evicted: audit.items.map(({ uid }) => uid), nodes: nodes.items, pods: pods.items }
}

const named = (events: readonly Told[], fact: string) => events.filter((event) => event.fact === fact)

/** After whatever befell the system: every eviction and every node is accounted for, in the world and in the events. */
export const expectNothingLost = async (up: Up, home: string, nodesBefore: number): Promise<void> => {
  const { events, evicted, nodes, pods } = await finish(up, home)

  const steps = named(events, 'controller.StepDone')
  const outcomes = (...wanted: readonly string[]) =>
    steps.filter(({ data }) => wanted.includes(String(data['outcome']))).map(({ data }) => data['uid'])
  expect(new Set(evicted).size, 'no UID is evicted twice').toBe(evicted.length)
  expect(
    outcomes('evicted').filter((uid) => !evicted.includes(String(uid))),
    'nothing is told that did not happen',
  ).toEqual([])
  // One that was granted by the process before the crash, and over before the next asked, is told as gone.
  expect(
    evicted.filter((uid) => !outcomes('evicted', 'gone').includes(uid)),
    'every eviction is told',
  ).toEqual([])
  const failed = steps.filter(({ data }) => data['outcome'] === 'failed')
  expect(failed.filter(({ data }) => data['reason'] !== 'the brake is on')).toEqual([])
  const chosen = new Set(named(events, 'evictor.NodeChosen').map(({ data }) => data['node']))
  expect(
    steps.filter(({ data }) => !chosen.has(data['node'])),
    'only pods of chosen nodes left',
  ).toEqual([])

  const removed = named(events, 'evictor.NodeRemoved').map(({ data }) => data['node'])
  expect(nodes.length, 'no node is lost').toBe(nodesBefore - removed.length)
  expect(new Set(removed).size).toBe(removed.length)
  expect(
    nodes.filter(({ spec }) => spec.unschedulable),
    'every cordon is accounted for',
  ).toEqual([])
  expect(
    pods.filter(({ spec }) => spec.nodeName === undefined),
    'no pod is pending',
  ).toEqual([])
  expect(new Set(events.map(({ id }) => id)).size, 'no event is told twice').toBe(events.length)
}
