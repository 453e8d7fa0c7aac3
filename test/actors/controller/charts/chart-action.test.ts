import { expect, test } from 'vitest'
import { markOf, undoMarkOf } from '../../../../src/actors/controller/charts/release.ts'
import { ChartRollback, ChartUninstall, ChartUpsert, type Revision } from '../../../../src/events/charts.ts'
import { born, done, failed, given } from '../../../../src/runtime/testing/given.ts'
import { killAt } from '../../../../src/runtime/testing/kill-at.ts'
import { shipped } from '../../../shipped.ts'

const release = { id: 'a1', namespace: 'web', releaseName: 'shop' }
const chartSource = { path: 'web' }
const upsert = ChartUpsert.parse({ ...release, chartSource, timeoutSeconds: 60 })
const uninstall = ChartUninstall.parse({ ...release, timeoutSeconds: 60 })
const rollback = ChartRollback.parse({ ...release, revision: 1, timeoutSeconds: 60 })
const orders = { 'chart-upsert': upsert, 'chart-uninstall': uninstall, 'chart-rollback': rollback }
type Type = keyof typeof orders

const NOW = 1_000_000
const revision = (number: number, status: string, description = 'Upgrade complete', age = 0): Revision => ({
  revision: number,
  updated: NOW - age,
  status,
  chart: `web-1.0.${number}`,
  description,
})
const good = [revision(1, 'superseded'), revision(2, 'deployed')]
const about = { action: 'a1', namespace: 'web', object: 'releases.helm.sh/web/shop' }

type Event = ReturnType<typeof done>
const acting = (type: Type, order: object = orders[type]) => {
  const definition = shipped(type)
  const birth = born({ order }, NOW)
  const ref = (state: string): string => `0.${type}.${state}`
  return {
    after: (...events: readonly Event[]) => given(definition, birth, ...events),
    history: (revisions: readonly Revision[], at = NOW) => done(ref('reading'), revisions, at),
    reviewed: (...surprises: readonly string[]) => done(ref('reviewing'), { digest: 'd1', surprises }, NOW),
    acted: done(ref('acting'), { revision: 3 }, NOW),
    failedActing: (name: string) => failed(ref('acting'), name, 'not ready', NOW),
    restored: done(ref('restoring'), undefined, NOW),
    unrestored: (name: string) => failed(ref('restoring'), name, 'forbidden', NOW),
    cancel: { type: `${type}.Cancel`, reason: 'the brake is on', at: NOW } as Event,
  }
}
const { after, history, reviewed, acted, failedActing, restored, unrestored, cancel } = acting('chart-upsert')

test('chart: looks, reviews what the release would be allowed, and upgrades what was reviewed', () => {
  after(history(good))
    .when(reviewed())
    .then({
      to: 'acting',
      effects: [['act', { last: 2, digest: 'd1', order: upsert }]],
      emitted: [{ type: 'controller.StepDone', step: 'reviewing' }],
    })
  after(history(good), reviewed())
    .when(acted)
    .then({
      to: 'ended',
      output: { told: { type: 'controller.ActionDone', ...about, verb: 'ChartUpsert', result: { revision: 3 } } },
    })
  after()
    .when(history([]))
    .then({ to: 'reviewing', effects: [['review', { last: 0 }]] })
})

test('chart: rights that nobody has allowed refuse it, by their name, before anything is changed', () => {
  const reason = 'Role/web/shop would be created: allow it in "rbac" of the policy for charts, or take it out of the chart'
  after(history(good))
    .when(reviewed('Role/web/shop would be created'))
    .then({ to: 'ended', effects: [], output: { told: { type: 'controller.ActionFailed', error: 'RbacRefused', reason } } })
})

test('chart: done once, it is not done again', () => {
  after()
    .when(history([...good, revision(3, 'deployed', markOf('a1'))]))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionDone', result: { revision: 3 } } } })
  // Also when somebody has upgraded it since.
  after()
    .when(history([revision(3, 'superseded', markOf('a1')), revision(4, 'deployed')]))
    .then({ to: 'ended' })
  after()
    .when(history([...good, revision(3, 'deployed', markOf('a10'))]))
    .then({ to: 'reviewing' })
  after()
    .when(history([...good, revision(3, 'deployed', undoMarkOf('a1'))]))
    .then({ to: 'reviewing' })
})

test('chart: who is at work on it is waited for, and what nobody will end is put right first', () => {
  after()
    .when(history([...good, revision(3, 'pending-upgrade')]))
    .then({ to: 'waiting', timers: [NOW + 5_000] })
  const old = [revision(2, 'deployed'), revision(3, 'pending-upgrade', 'Preparing upgrade', 1_000_000)]
  after()
    .when(history(old))
    .then({ to: 'restoring', effects: [['restore', { action: 'a1', last: 3, to: 2 }]] })
  after(history(old))
    .when(restored)
    .then({ to: 'reading', emitted: [{ type: 'controller.StepDone', step: 'repairing' }] })
  after()
    .when(history([revision(1, 'pending-install', '', 1_000_000)]))
    .then({ to: 'restoring', effects: [['restore', { last: 1, to: 0 }]] })
  const events = [1, 2, 3].flatMap(() => [history(old), restored])
  after(...events)
    .when(history(old))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionFailed', error: 'Stuck' } } })
})

const UNRESTORED =
  /^not ready; and it could not be restored: forbidden; put right what keeps it, and then order ChartRollback to revision 2,/

test('chart: what failed is taken back, and says so', () => {
  const broken = [...good, revision(3, 'failed', 'Upgrade "shop" failed: not ready')]
  const failing = [history(good), reviewed(), failedActing('Failed'), history(broken)]
  after(...failing.slice(0, 3))
    .when(history(broken))
    .then({ to: 'restoring', effects: [['restore', { last: 3, to: 2 }]] })
  after(...failing)
    .when(restored)
    .then({
      to: 'ended',
      emitted: [{ type: 'controller.ActionCompensated', ...about, restored: 'revision 2' }],
      output: { told: { type: 'controller.ActionFailed', step: 'acting', error: 'Failed', reason: 'not ready' } },
    })
  after(...failing)
    .when(unrestored('Unavailable'))
    .then({ to: 'restoringLater' })
  after(...failing)
    .when(unrestored('Refused'))
    .then({ to: 'ended', output: { told: { step: 'acting', error: 'Failed' } } })
  // It had failed before: that is not ours to take back.
  after().when(history(broken)).then({ to: 'reviewing' })
})

test('chart: what can not be restored is not tried without end, and says what to do', () => {
  const broken = [...good, revision(3, 'failed', 'Upgrade "shop" failed: not ready')]
  const failing = [history(good), reviewed(), failedActing('Failed'), history(broken)]
  const later = { type: 'xstate.after.retry.chart-upsert.restoringLater', at: NOW }
  const twice = after(...failing, unrestored('Failed'), later, unrestored('Unavailable'), later, unrestored('Failed'), later)
  twice.when(unrestored('Unavailable')).then({ to: 'restoringLater' })
  const ended = twice.when(unrestored('Failed'))
  ended.then({ to: 'ended', output: { told: { type: 'controller.ActionFailed', step: 'acting', error: 'Failed' } } })
  expect(ended.decided).toMatchObject({ output: { told: { reason: expect.stringMatching(UNRESTORED) } } })
  after(...failing)
    .when({ ...unrestored('Unavailable'), at: NOW + 1_800_000 })
    .then({ to: 'ended', output: { told: { error: 'Failed' } } })
  after(...failing)
    .when(unrestored('Gone'))
    .then({ to: 'ended' })
  // What was stuck before the action had done anything has no error of its own.
  const stuck = [revision(1, 'pending-install', '', 1_000_000)]
  const reason =
    /^it could not be restored: forbidden; put right what keeps it, and then order ChartUninstall, or "helm uninstall shop/
  expect(after(history(stuck)).when(unrestored('Refused')).decided).toMatchObject({
    output: { told: { step: 'restoring', error: 'Refused', reason: expect.stringMatching(reason) } },
  })
})

test('chart: broken off with the process that ran it, it is taken back and begun anew, and then says nothing of that', () => {
  const broken = [...good, revision(3, 'failed', 'Upgrade "shop" failed: context canceled')]
  const resumed = [history(good), reviewed(), failedActing('Unavailable'), history(broken)]
  after(...resumed)
    .when(restored)
    .then({ to: 'reading', emitted: [{ type: 'controller.StepDone', step: 'repairing' }] })
  const again = after(...resumed, restored, history([...broken, revision(4, 'deployed')]), reviewed())
  again.when(acted).then({ to: 'ended', output: { told: { type: 'controller.ActionDone' } } })
  expect(
    after(...resumed, restored, history([...broken, revision(4, 'deployed')]), reviewed(), acted).state.output,
  ).not.toHaveProperty('reason')
})

test('chart: without an answer and without a trace it is tried again; refused, it is not', () => {
  after(history(good), reviewed(), failedActing('Unavailable')).when(history(good)).then({ to: 'reviewing' })
  after(history(good), reviewed(), failedActing('Refused'))
    .when(history(good))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionFailed', error: 'Refused', reason: 'not ready' } } })
  after(history(good), reviewed(), failedActing('Unavailable'))
    .when(history(good, NOW + 700_000))
    .then({ to: 'ended', output: { told: { error: 'Unavailable' } } })
})

test('chart: cancelled, it begins nothing; what was begun is ended and taken back', () => {
  after(cancel)
    .when(history(good))
    .then({ to: 'ended', output: { told: { error: 'Cancelled', reason: 'the brake is on' } } })
  after(history(good), reviewed())
    .when(cancel)
    .then({ to: 'reading', effects: [['readHistory', {}]] })
  after(history(good), reviewed(), cancel)
    .when(history([...good, revision(3, 'failed')]))
    .then({ to: 'restoring' })
  after(history(good), reviewed(), cancel)
    .when(history(good))
    .then({ to: 'ended', output: { told: { error: 'Cancelled' } } })
  after(history([...good, revision(3, 'pending-upgrade')]))
    .when(cancel)
    .then({ to: 'ended' })
  const held = after(history(good), reviewed(), failedActing('Held'))
  expect(held.state.value).toBe('held')
  held.when(cancel).then({ to: 'reading' })
})

test('chart uninstall: what is not there is gone; it needs no review, and takes what is stuck as it is', () => {
  const removing = acting('chart-uninstall')
  expect(Object.keys(shipped('chart-uninstall').machine.states)).not.toContain('reviewing')
  removing
    .after()
    .when(removing.history([]))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionDone', alreadyGone: true } } })
  removing
    .after()
    .when(removing.history(good))
    .then({ to: 'acting', effects: [['act', { last: 2 }]] })
  removing
    .after()
    .when(removing.history([revision(1, 'pending-install', '', 1_000_000)]))
    .then({ to: 'acting' })
  removing
    .after(removing.history(good), removing.failedActing('Unavailable'))
    .when(removing.history([]))
    .then({ to: 'ended', output: { told: { alreadyGone: false } } })
})

test('chart rollback: to the revision that is asked for, by its number or by the version of its chart', () => {
  const going = (order: object) => acting('chart-rollback', ChartRollback.parse({ ...release, timeoutSeconds: 60, ...order }))
  const byNumber = going({ revision: 1 })
  byNumber
    .after(byNumber.history(good))
    .when(byNumber.reviewed())
    .then({ to: 'acting', effects: [['act', { last: 2, target: 1 }]] })
  const byVersion = going({ version: '1.0.1' })
  byVersion
    .after()
    .when(byVersion.history(good))
    .then({ to: 'reviewing', effects: [['review', { target: 1 }]] })
  const current = going({ revision: 2 })
  current
    .after()
    .when(current.history(good))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionDone' } } })
  const unknown = going({ revision: 7 })
  unknown
    .after()
    .when(unknown.history(good))
    .then({ to: 'ended', output: { told: { reason: 'there is no deployed revision 7; Helm keeps 1, 2' } } })
  const bad = going({ revision: 1 })
  bad
    .after()
    .when(bad.history([revision(1, 'failed'), revision(2, 'deployed')]))
    .then({ to: 'ended', output: { told: { error: 'Refused' } } })
})

test('orders: values that look like secrets are refused by their name, and paths lead nowhere else', () => {
  const order = (more: object) => ChartUpsert.safeParse({ ...release, chartSource, ...more })
  const { error } = order({ valuesOverrides: { db: { adminPassword: 'hunter2' } } })
  expect(error?.message).toMatch(/db.adminPassword looks like a secret/)
  expect(error?.message).not.toMatch(/hunter2/)
  expect(order({ valuesOverrides: { auth: { existingSecret: 'db', tokenReview: true, password: '' } } }).success).toBe(true)
  for (const path of ['../web', '/etc', 'a/../../b', 'a//b', '.hidden', '-n'])
    expect(order({ chartSource: { path } }).success, path).toBe(false)
  for (const repoUrl of ['file:///etc', 'https://user:pass@host/', 'http://a b', '--repo'])
    expect(order({ chartSource: { repoUrl, name: 'web', version: '1.0.0' } }).success, repoUrl).toBe(false)
})

test.each(['chart-upsert', 'chart-uninstall', 'chart-rollback'] as const)(
  '%s: killed anywhere, it goes on',
  { timeout: 60_000 },
  async (type) => {
    const endings = {
      readHistory: {
        outputs: [
          good,
          [],
          [...good, revision(3, 'failed')],
          [...good, revision(3, 'pending-upgrade')],
          [...good, revision(3, 'deployed', markOf('a1'))],
        ],
        errors: ['Refused', 'Unavailable'],
      },
      review: {
        outputs: [
          { digest: 'd1', surprises: [] },
          { digest: 'd1', surprises: ['Role/web/shop would be created'] },
        ],
        errors: ['Unavailable'],
      },
      act: { outputs: [{ revision: 3 }], errors: ['Failed', 'Held', 'Unavailable'] },
      restore: { outputs: [null], errors: ['Refused', 'Unavailable'] },
    }
    const sees = ({ before, cancelled }: { before?: number; cancelled?: string }) => [
      before === undefined,
      cancelled === undefined,
    ]
    const events = [{ type: `${type}.Cancel`, reason: 'why' }]
    for (const step of ['after-append', 'after-effect'] as const) {
      const { kills } = await killAt(step).everyPath(shipped(type), { input: { order: orders[type] }, endings, events, sees })
      expect(kills).toBeGreaterThan(10)
    }
  },
)
