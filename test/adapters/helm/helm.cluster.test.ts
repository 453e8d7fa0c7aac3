import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chartAccount } from '../../../src/actors/controller/charts/account.ts'
import { chartEffects, chartPowers } from '../../../src/actors/controller/charts/effects.ts'
import { findHelm } from '../../../src/adapters/helm/find.ts'
import { helm } from '../../../src/adapters/helm.ts'
import { fixedAccess } from '../../../src/adapters/kubernetes/access.ts'
import { kubernetesClient } from '../../../src/adapters/kubernetes/client.ts'
import { rbacReads } from '../../../src/adapters/kubernetes/rbac.ts'
import { missingPowers } from '../../../src/adapters/kubernetes/reviews.ts'
import {
  type ChartOrder,
  ChartPolicy,
  ChartRollback,
  ChartUninstall,
  ChartUpsert,
  type ChartVerb,
} from '../../../src/events/charts.ts'
import { powerInWords } from '../../../src/ports.ts'
import { systemChance } from '../../../src/runtime/chance.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { startHost } from '../../../src/runtime/host.ts'
import { unrestricted } from '../../../src/runtime/licence.ts'
import { memoryInbox } from '../../../src/runtime/testing/memory-inbox.ts'
import { memoryJournal } from '../../../src/runtime/testing/memory-journal.ts'
import { freeLeases } from '../../../src/runtime/testing/memory-leases.ts'
import { createTimers } from '../../../src/runtime/timers.ts'
import { type Fate, gateTo } from '../../control-plane/acting.ts'
import { toldBy } from '../../control-plane/carrying.ts'
import { controlPlaneForTest } from '../../control-plane/for-test.ts'
import { addNodes } from '../../control-plane/objects.ts'
import type { ControlPlane } from '../../control-plane/start.ts'
import { until } from '../../kubernetes-client.ts'
import { shipped } from '../../shipped.ts'

const NAMESPACE = 'shop'
const CONFIG = `/api/v1/namespaces/${NAMESPACE}/configmaps/web`
const folder = mkdtempSync(join(tmpdir(), 'qm-charts-'))
let plane: ControlPlane
let binary: string
const nothing = (): void => {}

beforeAll(async () => {
  const found = await findHelm({ onProgress: (line) => process.stderr.write(`  ${line}\n`) })
  binary = found.path
  plane = await controlPlaneForTest()
  await addNodes(plane.api, 1)
  cpSync('test/adapters/helm/charts', folder, { recursive: true })
  writeFileSync(join(folder, 'secret.yaml'), 'password: hunter2\n')
}, 900_000)
afterAll(async () => {
  await plane?.stop()
  rmSync(folder, { recursive: true })
})

const RELEASE = { namespace: NAMESPACE, releaseName: 'web', timeoutSeconds: 60 }
const types: Readonly<Record<ChartVerb, string>> = {
  ChartUpsert: 'chart-upsert',
  ChartUninstall: 'chart-uninstall',
  ChartRollback: 'chart-rollback',
}
let count = 0

/**
 * Carries out an order as a journaled actor, to its end.
 * @param gate what everything goes through, instead of straight to the API @returns the facts that it told, the last one first
 */
const carriedOut = async (
  verb: ChartVerb,
  order: ChartOrder,
  more: Partial<ChartPolicy> = {},
  gate?: { readonly url: string },
  token = plane.token,
): Promise<readonly any[]> => {
  const policy = ChartPolicy.parse({ folder, namespaces: [NAMESPACE], ...more })
  const way = gate ? { server: gate.url, token: 'of the gate' } : { server: plane.url, ca: plane.ca, token }
  const client = kubernetesClient(fixedAccess(way))
  const entry = async () => way
  const means = { helm: helm({ binary: async () => binary, entry, policy }), rbac: rbacReads(client), policy }
  const journal = memoryJournal()
  const type = types[verb]
  const host = startHost({
    ground: {
      process: 'test',
      journal,
      inbox: memoryInbox(),
      clock: systemClock,
      chance: systemChance,
      timers: createTimers(systemClock),
      licence: unrestricted,
      log: { debug: nothing, info: nothing, warn: nothing, error: console.error },
    },
    leases: freeLeases,
    definitions: [{ ...shipped(type), effects: chartEffects(means, verb) }],
    root: { address: { type, id: order.id }, input: { order } },
  })
  const facts = async (): Promise<readonly any[]> => {
    const told: any[] = []
    await journal.readAll(0, ({ record }) => {
      if ('em' in record) told.push(...toldBy(record))
      return true
    })
    return told.toReversed()
  }
  const isOver = ([last]: readonly any[]): boolean => /Action(Done|Failed)$/.test(last?.type ?? '')
  try {
    await until(`${verb} has ended`, async () => isOver(await facts()), { longestMs: 170_000 })
    return await facts()
  } finally {
    await host.stop()
    await client.close()
  }
}
const upsert = (more: object, policy: Partial<ChartPolicy> = {}, id = `a${++count}`, gate?: { readonly url: string }) =>
  carriedOut(
    'ChartUpsert',
    ChartUpsert.parse({ id, ...RELEASE, chartSource: { path: 'web' }, createNamespace: true, ...more }),
    policy,
    gate,
  )
const history = (): readonly any[] => JSON.parse(ask('history', 'web', '--output', 'json'))
const ask = (...args: readonly string[]): string =>
  execFileSync(binary, [...args, '--namespace', NAMESPACE, '--kubeconfig', plane.kubeconfig('admin')], {
    encoding: 'utf8',
    stdio: 'pipe',
  })
const config = async () => (await plane.api.get(CONFIG)).body.data

test('charts: a release is installed from a directory, once for each action', async () => {
  const [done] = await upsert({}, {}, 'first')
  expect(done).toMatchObject({ type: 'controller.ActionDone', verb: 'ChartUpsert', result: { revision: 1 } })
  expect(await config()).toEqual({ text: 'hello', password: '' })
  expect(history()).toMatchObject([{ revision: 1, status: 'deployed', description: '[quartermaster first]' }])
  await upsert({}, {}, 'first')
  expect(history()).toHaveLength(1)
})

test('charts: values of the order come over those of a file, and the file’s are kept to themselves', async () => {
  await upsert({ valuesOverrides: { text: 'changed' }, valuesFile: 'secret.yaml' })
  expect(await config()).toEqual({ text: 'changed', password: 'hunter2' })
  await upsert({ resetThenReuseValues: true })
  expect(await config()).toEqual({ text: 'changed', password: 'hunter2' })
  const [failed] = await upsert({ valuesOverrides: { fails: true }, valuesFile: 'secret.yaml' })
  expect(failed).toMatchObject({ type: 'controller.ActionFailed', step: 'reviewing', error: 'Refused' })
  expect(failed.reason).toMatch(/the password ••• is too short/)
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith('quartermaster-helm-'))).toEqual([])
})

const rule = (verbs: readonly string[]) => ({ valuesOverrides: { rules: [{ apiGroups: [''], resources: ['pods'], verbs }] } })

test('charts: rights that nobody has allowed are refused by name, and what is there may stay', async () => {
  const before = history()
  const [refused] = await upsert(rule(['get']))
  expect(refused).toMatchObject({
    error: 'RbacRefused',
    reason: expect.stringMatching(/^Role\/shop\/web would be created: allow it in "rbac"/),
  })
  expect(history()).toEqual(before)
  const [allowed] = await upsert(rule(['get']), { rbac: ['Role/shop/web'] })
  expect(allowed.type).toBe('controller.ActionDone')
  expect((await upsert(rule(['get'])))[0].type).toBe('controller.ActionDone')
  const [widened] = await upsert(rule(['get', 'delete']))
  expect(widened.reason).toMatch(/^Role\/shop\/web would also allow get,delete on pods/)
  const [elsewhere] = await upsert({ namespace: 'kube-system' })
  expect(elsewhere.reason).toMatch(/allows nothing in namespace kube-system: add it to "namespaces"/)
})

test('charts: what does not get ready is taken back', async () => {
  await upsert({ valuesOverrides: { text: 'good' } })
  const good = history().at(-1).revision
  const facts = await upsert({ valuesOverrides: { text: 'bad', nodeSelector: { is: 'nowhere' } }, timeoutSeconds: 5 })
  expect(facts[0]).toMatchObject({ type: 'controller.ActionFailed', step: 'acting', error: 'Failed' })
  expect(facts[1]).toMatchObject({ type: 'controller.ActionCompensated', restored: `revision ${good}` })
  expect(await config()).toMatchObject({ text: 'good' })
  expect(history()).toHaveLength(3)
})

test('charts: what a killed Helm has left pending is put right, and then the chart is upgraded', async () => {
  const args = ['upgrade', 'web', join(folder, 'web'), '--namespace', NAMESPACE, '--wait', '--set', 'nodeSelector.is=nowhere']
  const killed = spawn(binary, [...args, '--kubeconfig', plane.kubeconfig('admin')], { stdio: 'ignore' })
  await until('it is pending', async () => history().at(-1).status === 'pending-upgrade')
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  const facts = await upsert({ valuesOverrides: { text: 'after' }, timeoutSeconds: 20 })
  expect(facts[0]).toMatchObject({ type: 'controller.ActionDone' })
  expect(facts).toContainEqual(expect.objectContaining({ type: 'controller.StepDone', step: 'repairing' }))
  expect(await config()).toMatchObject({ text: 'after' })
})

const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const changesConfig = (method: string, path: string): boolean =>
  method === 'PATCH' && path.startsWith(CONFIG) && !path.includes('dryRun')
const befalling = (fate: Fate, most = Number.POSITIVE_INFINITY) => {
  let left = most
  return (method: string, path: string): Fate | undefined => (changesConfig(method, path) && left-- > 0 ? fate : undefined)
}

test('charts: an API that has too much to do for a while: the release is upgraded once', async () => {
  await using gate = await gateTo(plane)
  gate.befall(befalling('busy', 3))
  const before = history().at(-1).revision
  const [done] = await upsert({ valuesOverrides: { text: 'busy' } }, {}, 'busy', gate)
  expect(gate.befallen()).toBe(3)
  expect(done).toMatchObject({ type: 'controller.ActionDone', result: { revision: before + 1 } })
  expect(history().at(-1)).toMatchObject({ status: 'deployed', description: '[quartermaster busy]' })
  expect(await config()).toMatchObject({ text: 'busy' })
})

test('charts: answers lost, and the API server restarted and silent in the middle: what is said is what is there', async () => {
  const before = await config()
  await using gate = await gateTo(plane)
  gate.befall(befalling('lost', 1))
  const lost = await upsert({ valuesOverrides: { text: 'lost' }, timeoutSeconds: 20 }, {}, 'lost', gate)
  expect(gate.befallen()).toBe(1)
  await saysWhatIs(lost, 'lost', before)

  const then = await config()
  const waiting = upsert(
    { valuesOverrides: { text: 'away', nodeSelector: { is: 'late' } }, timeoutSeconds: 90 },
    {},
    'away',
    gate,
  )
  await until('it waits', async () => history().at(-1).status === 'pending-upgrade')
  await plane.restart('kube-apiserver')
  plane.freeze('kube-apiserver')
  await new Promise((resolve) => setTimeout(resolve, 12_000))
  plane.thaw('kube-apiserver')
  const [node] = (await plane.api.get('/api/v1/nodes')).body.items
  await plane.api.patch(`/api/v1/nodes/${node.metadata.name}`, { metadata: { labels: { is: 'late' } } })
  await saysWhatIs(await waiting, 'away', then)
})

/** Done, and the new one is there; or failed with a reason, and the old one is. */
const saysWhatIs = async ([end]: readonly any[], text: string, before: object): Promise<void> => {
  const isDone = end.type === 'controller.ActionDone'
  expect(isDone || end.reason, JSON.stringify(end)).toBeTruthy()
  expect(history().at(-1).status).toBe('deployed')
  expect([end.type, await config()]).toMatchObject([end.type, isDone ? { text } : before])
}

test('charts: a verb forbidden in the middle: it fails with the reason, and what was there is there', async () => {
  const rule = (apiGroup: string, resource: string, ...verbs: readonly string[]) => ({
    apiGroups: [apiGroup],
    resources: [resource],
    verbs,
  })
  const reads = [rule('*', '*', 'get', 'list', 'watch'), rule('', 'secrets', 'create', 'update', 'patch', 'delete')]
  const writes = [rule('', 'configmaps', 'patch', 'update'), rule('apps', 'deployments', 'patch', 'update')]
  await plane.api.post(`${RBAC}/clusterroles`, { metadata: { name: 'charts' }, rules: [...reads, ...writes] })
  await plane.api.post(`${RBAC}/clusterrolebindings`, {
    metadata: { name: 'charts' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'charts' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'nobody' }],
  })
  const before = await config()
  await using gate = await gateTo(plane, plane.tokenOf('nobody'))
  gate.befall(befalling('busy'))
  const upserted = upsert({ valuesOverrides: { text: 'forbidden' }, createNamespace: false }, {}, 'forbidden', gate)
  await until('it is in the middle', async () => gate.befallen() > 0)
  await plane.api.patch(`${RBAC}/clusterroles/charts`, { rules: reads })
  await new Promise((resolve) => setTimeout(resolve, 1_000)) // until every cache of the API server knows
  gate.befall(undefined)
  const [end] = await upserted
  expect(end.type).toBe('controller.ActionFailed')
  expect(end.reason).toMatch(/cannot patch resource "configmaps".*; and it could not be restored: .*cannot patch resource/)
  expect(await config()).toEqual(before)
})

test('charts: rolled back to the revision that is asked for', async () => {
  const before = history().findLast(({ status }: any) => status === 'superseded').revision
  const order = ChartRollback.parse({ id: 'back', ...RELEASE, revision: before })
  const [done] = await carriedOut('ChartRollback', order)
  expect(done).toMatchObject({ type: 'controller.ActionDone', verb: 'ChartRollback' })
  expect(history().at(-1)).toMatchObject({ status: 'deployed', description: '[quartermaster back]' })
  expect(await config()).not.toMatchObject({ text: 'after' })
  const [none] = await carriedOut('ChartRollback', ChartRollback.parse({ id: 'none', ...RELEASE, version: '9.9.9' }))
  expect(none.reason).toMatch(/there is no deployed revision of chart version 9.9.9; Helm keeps \d+, \d+, \d+/)
})

test('charts: uninstalled, and gone the second time', async () => {
  const order = (id: string) => ChartUninstall.parse({ id, ...RELEASE })
  expect((await carriedOut('ChartUninstall', order('out')))[0]).toMatchObject({
    type: 'controller.ActionDone',
    alreadyGone: false,
  })
  expect((await plane.api.get(CONFIG)).status).toBe(404)
  expect((await carriedOut('ChartUninstall', order('out2')))[0]).toMatchObject({ alreadyGone: true })
})

test('charts: from a repository that the policy knows, and from an archive', async () => {
  const files = join(folder, 'files')
  ask('package', join(folder, 'web'), '--destination', files)
  ask('repo', 'index', files)
  const server = createServer((request, response) => {
    const file = join(files, request.url ?? '')
    return existsSync(file) ? response.end(readFileSync(file)) : response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const repoUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const chartSource = { repoUrl, name: 'web', version: '1.0.0' }
  const [refused] = await upsert({ chartSource })
  expect(refused.reason).toMatch(/does not know the repository http:.*: add it to "repositories"/)
  const [done] = await upsert({ chartSource }, { repositories: [repoUrl] })
  expect(done).toMatchObject({ type: 'controller.ActionDone', result: { revision: 1 } })
  const [missing] = await upsert({ chartSource: { ...chartSource, version: '2.0.0' } }, { repositories: [repoUrl] })
  expect(missing).toMatchObject({ type: 'controller.ActionFailed', error: 'Refused' })
  server.close()
  const [archive] = await upsert({ chartSource: { path: 'files/web-1.0.0.tgz' } })
  expect(archive).toMatchObject({ type: 'controller.ActionDone', result: { revision: 2 } })
})

/** Makes objects as kubectl would. */
const apply = async (items: readonly any[]): Promise<void> => {
  for (const item of items) {
    const { apiVersion, kind, metadata } = item
    const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
    const within = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`
    const { status, body } = await plane.api.post(`${root}${within}/${kind.toLowerCase()}s`, item)
    expect([status, body.message]).toEqual([201, undefined])
  }
}
const own = { namespace: 'quartermaster', name: 'quartermaster' }
/** A token of the account that Quartermaster runs as, which has no right of its own. */
const ownToken = async (): Promise<string> => {
  const path = `/api/v1/namespaces/${own.namespace}/serviceaccounts/${own.name}/token`
  const spec = { expirationSeconds: 3_600 }
  return (await plane.api.post(path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec })).body.status.token
}
const accountOf = (name: string) => ({ namespace: own.namespace, name })
const acting = (name: string, more: Partial<ChartPolicy> = {}): ChartPolicy =>
  ChartPolicy.parse({
    folder,
    namespaces: ['mall'],
    serviceAccount: `system:serviceaccount:${own.namespace}:${name}`,
    ...more,
  })

test('charts: in the name of the account that the policy makes Helm may do what it lists; the rest the API server forbids', async () => {
  for (const name of [own.namespace, 'mall'])
    await plane.api.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  await apply([{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: own }])
  const token = await ownToken()
  const install = async (policy: ChartPolicy, values: object = {}) => {
    const order = { ...RELEASE, namespace: 'mall', chartSource: { path: 'web' }, valuesOverrides: values }
    const [last] = await carriedOut(
      'ChartUpsert',
      ChartUpsert.parse({ id: `mall${++count}`, ...order }),
      policy,
      undefined,
      token,
    )
    return last
  }
  const policy = acting('charts', { rbac: ['Role/mall/web'] })
  expect(await install(policy)).toMatchObject({
    type: 'controller.ActionFailed',
    error: 'Refused',
    reason: expect.stringMatching(/the API server forbids to act in the name of the account.*charts rbac/),
  })
  const client = kubernetesClient(fixedAccess({ server: plane.url, ca: plane.ca, token }))
  const missing = async () => (await missingPowers(client, chartPowers(policy))).map(powerInWords)
  expect(await missing()).toContain('impersonate serviceaccounts "charts" in quartermaster')
  await apply(chartAccount(policy, { account: accountOf('charts'), own, spaces: ['mall'] }))
  const done = await until('the rights are known', async () => {
    const last = await install(policy)
    return last.type === 'controller.ActionDone' ? last : undefined
  })
  expect(done).toMatchObject({ verb: 'ChartUpsert' })
  expect(await missing()).toEqual([])
  await client.close()
  // A Role that the policy allows, of rights that the account has itself.
  const withRole = await install(policy, rule(['get']).valuesOverrides)
  expect([withRole.type, withRole.reason]).toEqual(['controller.ActionDone', undefined])
  const rules = [{ apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['patch'] }]
  expect(await install(policy, { rules })).toMatchObject({
    type: 'controller.ActionFailed',
    reason: expect.stringMatching(/forbidden.*attempting to grant RBAC permissions not currently held/),
  })
  // Of what the policy does not list it may make nothing.
  const narrow = acting('narrow', { objects: [{ group: '', resources: ['configmaps'] }] })
  await apply(chartAccount(narrow, { account: accountOf('narrow'), own, spaces: ['mall'] }))
  expect(await install(narrow, { text: 'narrow' })).toMatchObject({
    type: 'controller.ActionFailed',
    reason: expect.stringMatching(/deployments.*forbidden/),
  })
})
