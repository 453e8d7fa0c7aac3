import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { ONLY_OBSERVES } from '../../src/adapters/kubernetes/observing.ts'
import { command } from '../command.ts'
import { startUp, type Told, type Up, withHome, world } from '../up.ts'
import { type Apart, apart, type Process } from './apart.ts'

const NODES = 30
const is = (fact: string) => (told: Told) => told.fact === fact
const startHosting = async (site: Apart, mayWrite: boolean): Promise<Process> => {
  const process = await site.start(mayWrite)
  await vi.waitUntil(() => process.hosts() || process.child.exitCode !== null, { timeout: 60_000 })
  if (!process.hosts()) throw new Error(`the process ended:\n${process.output()}`)
  return process
}
const cordoned = async (home: string): Promise<number> => {
  const { items } = (await world(home, '/api/v1/nodes')) as { items: { spec: { unschedulable?: boolean } }[] }
  return items.filter(({ spec }) => spec.unschedulable).length
}

test('access: with a kubeconfig it only observes: promote is refused with the remedy, and nothing is written', {
  timeout: 120_000,
}, async () => {
  await using site = await apart(NODES)
  const process = await startHosting(site, false)
  await site.up.until('the first plan', is('evictor.PlanMade'))
  expect(await site.up.status()).toMatchObject({ phase: 'observing', access: 'read-only', context: 'simulated', nodes: NODES })
  const at = ['--cluster', site.nats.cluster]
  const promoted = await command(process.home, ['promote', ...at])
  expect(promoted).toEqual({ code: 1, out: `Refused: ${ONLY_OBSERVES}\n`, err: '' })
  const told = await site.up.until('the refusal', is('cluster.CommandRefused'))
  expect(told.data).toMatchObject({ command: 'cluster.Promote', reason: ONLY_OBSERVES })
  const audit = await command(process.home, ['audit', ...at])
  expect(audit.out).toContain(`"outcome":"refused","reason":"${ONLY_OBSERVES}"`)
  expect((await command(process.home, ['status', ...at])).out).toMatch(/^Access +read-only \(up --allow-writes lifts it\)$/m)
  expect((await site.up.status()).phase).toBe('observing')
  expect(process.writes).toEqual([])
})

test('access: started again without --allow-writes, what was automating goes back to observing and writes nothing more', {
  timeout: 180_000,
}, async () => {
  await using site = await apart(NODES)
  const first = await startHosting(site, true)
  await site.up.until('the first plan', is('evictor.PlanMade'))
  expect(await site.up.call('Promote')).toMatchObject({ ok: true })
  await site.up.until('the first pod has left', is('controller.StepDone'))
  await first.end('SIGKILL')
  const left = await cordoned(site.home)
  expect(left).toBeGreaterThan(0)

  const at = site.up.told.length
  const second = await startHosting(site, false)
  const abandoned = await site.up.until('the actions given up', is('cluster.ActionsAbandoned'))
  expect(abandoned.data).toEqual({ reason: ONLY_OBSERVES })
  await site.up.until(
    'observing again',
    (told) => site.up.told.indexOf(told) >= at && told.fact === 'cluster.PhaseEntered' && told.data['phase'] === 'observing',
  )
  await vi.waitUntil(async () => (await site.up.status()).actors.every(({ type }) => !/controller|drain|eviction/.test(type)), {
    timeout: 30_000,
    interval: 250,
  })
  expect(await site.up.status()).toMatchObject({ phase: 'observing', access: 'read-only' })
  expect(second.writes).toEqual([])
  expect(await cordoned(site.home)).toBe(left)
  await second.end('SIGTERM')

  // What had to stay cordoned is given back, or drained on, as soon as writing is allowed and asked for.
  const third = await startHosting(site, true)
  expect(await site.up.status()).toMatchObject({ phase: 'observing', access: 'read-write' })
  expect(await site.up.call('Promote')).toMatchObject({ ok: true })
  await vi.waitUntil(() => third.writes.length > 0, { timeout: 90_000 })
})

const untilPlanned = async (up: Up): Promise<Up> => {
  await up.until('the first plan', is('evictor.PlanMade'))
  return up
}

test(
  "access: the simulated cluster's own kubeconfig serves; with two systems an order has to name its cluster",
  {
    timeout: 180_000,
  },
  () =>
    withHome(async (home) => {
      const demo = await untilPlanned(await startUp(home, '--nodes', String(NODES)))
      const kubeconfig = join(home, 'kubeconfig')
      const real = await untilPlanned(await startUp(home, '--kubeconfig', kubeconfig, '--cluster', 'real'))
      try {
        expect(real.output()).toMatch(/Context +simulated\nAccess +read-only/)
        expect(await real.status()).toMatchObject({ cluster: 'real', access: 'read-only', nodes: NODES })
        const both = 'demo (context simulated), real (context simulated)'
        for (const order of [['promote'], ['release'], ['effects', 'retry', 'cluster/demo/1/0']]) {
          const { code, out, err } = await command(home, order)
          const refusal = `quartermaster: several systems run under ${home}: say with --cluster which one is meant: ${both}\n`
          expect([code, out, err], order.join(' ')).toEqual([2, '', refusal])
        }
        const asked = await command(home, ['status', '--format', 'json'])
        expect(asked.err).toBe(`several systems run under ${home}: ${both}; this is real (--cluster chooses)\n`)
        expect(JSON.parse(asked.out)).toMatchObject({ cluster: 'real', context: 'simulated', access: 'read-only' })
        const promoted = await command(home, ['promote', '--cluster', 'demo', '--format', 'json'])
        expect([promoted.code, promoted.err]).toEqual([0, ''])
        expect(JSON.parse(promoted.out)).toMatchObject({ ok: true, cluster: 'demo', context: 'simulated' })
        const unknown = await command(home, ['status', '--cluster', 'prod'])
        expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining(`"prod" runs under ${home}; there is ${both}`)])
        const atNats = { NATS_URL: real.connection.url, NATS_NKEY: real.connection.seedFile }
        expect((await command(home, ['status'], atNats)).out).toMatch(/^Cluster +real \(context simulated\)$/m)

        const { pid } = real.connection
        await real.kill()
        const alone = await command(home, ['status'])
        expect(alone.err).toBe(
          `the system of the cluster "real" (process ${pid}) ended without a word: its connection file is removed\n`,
        )
        expect(alone.out).toMatch(/^Cluster +demo \(context simulated\)$/m)
        expect((await command(home, ['demote'])).err).toBe('')
      } finally {
        await real.kill()
        await demo.stop()
      }
      expect((await command(home, ['status'])).err).toContain('nothing runs under')
    }),
)
