import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { subjects } from '../../src/events/subjects.ts'
import { command } from '../command.ts'
import { startUp, type Told, type Up, withHome, world } from '../up.ts'

const guard = {
  verbs: ['PatchNode', 'CheckNodeStatus', 'Create'],
  objects: [{ verbs: ['Create'], group: '', resource: 'configmaps', namespaces: ['default'] }],
  approval: { verbs: ['Create'] },
}
const about = (action: string, fact: string) => (told: Told) => told.fact === fact && told.data['action'] === action
/** As `nats pub` does it: no headers, no reply. */
const order = ({ nc, connection }: Up, verb: string, payload: object): void =>
  nc.publish(subjects(connection.cluster).command('controller', verb), JSON.stringify(payload))

test(
  'actions: what the guard of the file allows is done, also over a kill -9; the rest is refused; why says all of it',
  { timeout: 180_000 },
  () =>
    withHome(async (home) => {
      const file = join(home, 'guard.json')
      writeFileSync(file, JSON.stringify(guard))
      const args = ['--nodes', '20', '--guard', file]
      const first = await startUp(home, ...args)
      await first.until('the first plan', ({ fact }) => fact === 'evictor.PlanMade')
      await first.call('Promote')
      await first.until('the guard is set', ({ fact }) => fact === 'controller.GuardSet')
      const { items } = (await world(home, '/api/v1/nodes')) as { items: { metadata: { name: string; uid: string } }[] }
      const { name: nodeName, uid: nodeUid } = items[0]?.metadata ?? { name: '', uid: '' }

      order(first, 'PatchNode', { id: 'patch-1', nodeName, nodeUid, labels: { 'example.com/tier': 'gold' } })
      await first.until('the node is patched', about('patch-1', 'controller.ActionDone'))
      const patched = (await world(home, `/api/v1/nodes/${nodeName}`)) as { metadata: { labels: Record<string, string> } }
      expect(patched.metadata.labels['example.com/tier']).toBe('gold')

      const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'made', namespace: 'default' }, data: { a: '1' } }
      order(first, 'Create', { id: 'create-1', group: '', version: 'v1', resource: 'configmaps', object: map })
      await first.until('it waits for approval', about('create-1', 'controller.ActionWaiting'))
      order(first, 'CheckNodeStatus', { id: 'wait-1', nodeName: 'no-such-node', nodeStatus: 'READY', waitTimeoutSeconds: 3 })
      order(first, 'EvictPod', { id: 'evict-1', namespace: 'default', podName: 'any' })
      await first.until('another verb is refused', about('evict-1', 'controller.ActionRefused'))
      await first.kill()

      const second = await startUp(home, ...args)
      try {
        order(second, 'Approve', { id: 'create-1' })
        await second.until('what was approved is done', about('create-1', 'controller.ActionDone'))
        expect(await world(home, '/api/v1/namespaces/default/configmaps/made')).toMatchObject({ data: { a: '1' } })
        await second.until('the wait has ended', about('wait-1', 'controller.ActionFailed'))
        const why = async (what: string) => (await command(home, ['why', what])).out
        expect(await why('action/evict-1')).toMatch(/guard rule "verbs": EvictPod is not among/)
        expect(await why('action/patch-1')).toMatch(/controller\.StepDone +step=patching outcome=done/)
        expect(await why(`node/${nodeName}`)).toMatch(/controller\.ActionDone/)
        expect(await why('action/wait-1')).toMatch(/was not READY within 3 s: there is no node of that name/)
        // The evictor's own orders are judged by the same rules.
        const refused = await second.until(
          'a drain is refused',
          ({ fact, data }) => fact === 'controller.ActionRefused' && data['verb'] === 'DrainNode',
        )
        expect(refused.data['reason']).toMatch(/^guard rule "verbs": DrainNode/)
      } finally {
        await second.stop()
      }
    }),
)

test('guard: its file is checked before anything starts, its account and signatures are made by commands', () =>
  withHome(async (home) => {
    const file = join(home, 'guard.json')
    writeFileSync(file, JSON.stringify({ verbs: ['DrainNodes'] }))
    const wrong = await command(home, ['guard', 'check', file])
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringMatching(/guard\.json: .*verbs/s)])
    writeFileSync(file, JSON.stringify(guard))
    expect(JSON.parse((await command(home, ['guard', 'check', file])).out)).toMatchObject({ verbs: guard.verbs, budgets: [] })
    const { items } = JSON.parse((await command(home, ['guard', 'rbac', '--guard', file])).out)
    expect(items.map(({ kind }: { kind: string }) => kind)).toEqual([
      'ServiceAccount',
      'Role',
      'RoleBinding',
      'Role',
      'RoleBinding',
    ])
  }))
