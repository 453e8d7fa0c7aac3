import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { subjects } from '../../src/events/subjects.ts'
import { startUp, type Told, type Up, withHome, world } from '../up.ts'
import { expectNothingLost } from './accounts.ts'

const NODES = 30
const is = (fact: string) => (told: Told) => told.fact === fact

const withUp = (work: (up: Up, home: string) => Promise<void>): Promise<void> =>
  withHome(async (home) => {
    const up = await startUp(home, '--nodes', String(NODES))
    try {
      await up.until('the first plan', is('evictor.PlanMade'))
      await work(up, home)
    } finally {
      await up.stop()
    }
  })

test(
  'automation: the first up observes by itself; promote packs the cluster; Demote from any NATS client stops it',
  { timeout: 120_000 },
  () =>
    withUp(async (up) => {
      const before = await up.status()
      expect(before).toMatchObject({ phase: 'observing', brake: 'released', security: 'off', nodes: NODES, missingPowers: [] })
      expect(before.hourlyCost.bound ?? 0).toBeLessThanOrEqual(before.hourlyCost.planned ?? 0)
      expect(before.hourlyCost.planned ?? 0).toBeLessThan(before.hourlyCost.now)

      await up.call('Promote')
      await up.until('a node removed', is('evictor.NodeRemoved'))
      // As `nats pub` does it: no headers, no reply.
      const demotedAt = up.told.length
      up.nc.publish(subjects(up.connection.cluster).command('cluster', 'Demote'), '{}')
      await up.until(
        'observing again',
        (told) =>
          up.told.indexOf(told) >= demotedAt && told.fact === 'cluster.PhaseEntered' && told.data['phase'] === 'observing',
      )
      const after = await up.status()
      expect(after.phase).toBe('observing')
      expect(after.hourlyCost.now).toBeLessThan(before.hourlyCost.now)
      // The controller had ended before; what approves certificates ends by a letter.
      const living = async () => (await up.status()).actors.map(({ type }) => type).toSorted()
      await vi.waitFor(async () => expect(await living()).toEqual(['agent', 'cluster', 'evictor']), { timeout: 20_000 })
    }),
)

test('brake: hold stops what is under way and gives back what it took, release lets it go on', { timeout: 120_000 }, () =>
  withUp(async (up, home) => {
    await up.call('Promote')
    await up.until('a node cordoned', is('controller.NodeCordoned'))
    expect(await up.call('Hold', { reason: 'maintenance' })).toMatchObject({ ok: true })
    const held = await up.until('held', is('cluster.BrakeHeld'))
    expect(held.data).toMatchObject({ processes: 1, unanswered: 0, inFlight: 0 })
    expect((await up.status()).brake).toBe('held')
    const at = up.told.length
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    expect(up.told.slice(at).filter(({ fact }) => fact === 'controller.NodeCordoned')).toEqual([])
    const nodes = (await world(home, '/api/v1/nodes')) as {
      items: { spec: { unschedulable?: boolean }; metadata: { annotations?: object } }[]
    }
    expect(nodes.items.filter(({ spec }) => spec.unschedulable)).toEqual([])
    await up.call('Release')
    await up.until('work again', (told) => told.fact === 'controller.NodeCordoned' && up.told.indexOf(told) > at)
    await expectNothingLost(up, home, NODES)
  }),
)

test('NATS: killed, and then silent for ten seconds in the middle of a wave, loses nothing', { timeout: 150_000 }, () =>
  withUp(async (up, home) => {
    await up.call('Promote')
    await up.until('the first pod has left', is('controller.StepDone'))
    const server = (): number => Number(readFileSync(join(home, 'nats', 'nats-server.pid'), 'utf8'))
    process.kill(server(), 'SIGKILL')
    const killedAt = up.told.length
    await up.until('a node removed', (told) => is('evictor.NodeRemoved')(told) && up.told.indexOf(told) >= killedAt)
    const pid = server()
    process.kill(pid, 'SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, 10_000))
    process.kill(pid, 'SIGCONT')
    const at = up.told.length
    await up.until('work again', (told) => told.fact.startsWith('evictor.') && up.told.indexOf(told) >= at)
    await expectNothingLost(up, home, NODES)
  }),
)

test(
  'bad input: refused with a sentence naming the field, as an event and as the reply, and nothing changes',
  { timeout: 60_000 },
  () =>
    withUp(async (up) => {
      const before = (await up.status()).phase
      expect(await up.call('Hold', { policy: 'sometimes' })).toEqual({
        ok: false,
        why: 'refused',
        detail: 'cluster.Hold: policy: Invalid option: expected one of "rollback"|"finish"',
      })
      expect(await up.call('Explode')).toMatchObject({
        ok: false,
        detail: expect.stringMatching(/^cluster knows no command "Explode"; it knows Connect, Promote/),
      })
      const cmd = subjects(up.connection.cluster).command('cluster', 'Promote')
      up.nc.publish(cmd, 'not json')
      up.nc.publish(cmd, '{"colour":"red"}')
      const reason = (pattern: RegExp) => (told: Told) =>
        told.fact === 'cluster.CommandRefused' && pattern.test(String(told.data['reason']))
      await up.until('the first refusal', reason(/policy: Invalid option/))
      await up.until('the second', reason(/knows no command "Explode"/))
      await up.until('the third', reason(/the payload is not JSON/))
      await up.until('the fourth', reason(/colour/))
      expect((await up.status()).phase).toBe(before)
    }),
)

test('brake: people who have kubectl alone hold it with a ConfigMap, and let go by taking it away', { timeout: 120_000 }, () =>
  withUp(async (up, home) => {
    const configMaps = '/api/v1/namespaces/quartermaster/configmaps'
    const brake = { metadata: { name: 'quartermaster-brake' }, data: { hold: 'finish', reason: 'by hand' } }
    await world(home, '/api/v1/namespaces', 'POST', { metadata: { name: 'quartermaster' } })
    await world(home, configMaps, 'POST', brake)
    const { data } = await up.until('the brake requested', is('cluster.BrakeRequested'))
    expect(data).toEqual({ policy: 'finish', reason: 'by hand', by: 'configmap' })
    expect(await up.call('Release')).toMatchObject({ ok: false, detail: expect.stringContaining('switch.on') })
    await world(home, `${configMaps}/quartermaster-brake`, 'DELETE')
    await up.until('the brake released', is('cluster.BrakeReleased'))
  }),
)
