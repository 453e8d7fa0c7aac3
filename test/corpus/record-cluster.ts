import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'nats'
import { findNatsServer } from '../../src/adapters/nats-server/find.ts'
import { connectionOptions } from '../../src/commands/session.ts'
import { subjects } from '../../src/events/subjects.ts'
import { startUpOn, systemSeedFile, type Told, type Up, world } from '../up.ts'

// `node test/corpus/record-cluster.ts FILE` runs `up` on the simulated cluster, gives it commands and orders, kills it once,
// and writes what stands in JOURNAL afterwards. A recording is kept for ever: a new one gets a new name.

const NODES = 16
const guard = {
  verbs: [
    ...['DrainNode', 'DeleteNode', 'UncordonNode', 'PatchNode', 'CheckNodeStatus', 'CheckNodeDeleted'],
    ...['EvictPod', 'CreateEvent', 'Create', 'Patch', 'Delete'],
  ],
  objects: [{ verbs: ['Create', 'Patch', 'Delete'], group: '', resource: 'configmaps', namespaces: ['default'] }],
  approval: { verbs: ['Create'], expirySeconds: 300 },
  budgets: [{ name: 'evictions of a zone', counts: 'pods', most: 2, per: 'zone', withinSeconds: 600, verbs: ['EvictPod'] }],
}
type Meta = { readonly name: string; readonly uid: string; readonly namespace?: string }
type Listed = { readonly items: readonly { readonly metadata: Meta; readonly spec: { readonly nodeName?: string } }[] }

const is = (fact: string) => (told: Told) => told.fact === fact
const about =
  (action: string, ...facts: readonly string[]) =>
  (told: Told) =>
    facts.some((fact) => told.fact === `controller.${fact}`) && told.data['action'] === action
const ENDS = ['ActionDone', 'ActionFailed', 'ActionRefused', 'ActionRepeated']
const say = (words: string): void => void process.stderr.write(`${words} …\n`)

/** Gives an order as anybody on NATS would, and waits until its action has ended. */
const ordering =
  ({ nc, connection, until }: Up) =>
  async (verb: string, order: { readonly id: string; readonly [field: string]: unknown }, ...facts: readonly string[]) => {
    say(`${verb} ${order.id}`)
    nc.publish(subjects(connection.cluster).command('controller', verb), JSON.stringify(order))
    await until(`${verb} ${order.id}`, about(order.id, ...(facts.length > 0 ? facts : ENDS)))
  }

const nodesOf = async (home: string) =>
  ((await world(home, '/api/v1/nodes')) as Listed).items.map(({ metadata: { name, uid } }) => ({ nodeName: name, nodeUid: uid }))

/** Every kind of action that the simulated cluster has something for: done, failed, refused, repeated, approved. */
const actions = async (up: Up, home: string): Promise<void> => {
  const order = ordering(up)
  const [first, second] = await nodesOf(home)
  await order('PatchNode', { id: 'patch-1', ...first, labels: { 'example.com/tier': 'gold' } })
  await order('PatchNode', { id: 'patch-1', ...first, labels: { 'example.com/tier': 'gold' } }, 'ActionRepeated')
  await order('CheckNodeStatus', { id: 'ready-1', ...second, nodeStatus: 'READY' })
  await order('CheckNodeStatus', { id: 'gone-1', ...second, nodeStatus: 'DELETED', waitTimeoutSeconds: 2 })
  await order('CheckNodeDeleted', { id: 'still-1', ...second })
  const map = (name: string) => ({ group: '', version: 'v1', resource: 'configmaps', namespace: 'default', name })
  const manifest = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'made', namespace: 'default' }, data: { a: '1' } }
  await order('Create', { id: 'make-1', group: '', version: 'v1', resource: 'configmaps', object: manifest }, 'ActionWaiting')
  await order('Approve', { id: 'make-1' })
  await order('Patch', { id: 'change-1', object: map('made'), patchType: 'merge', patch: { data: { a: '2' } } })
  await order('Patch', { id: 'change-2', object: map('none'), patchType: 'merge', patch: { data: { a: '2' } } })
  await order('Delete', { id: 'take-1', object: map('made') })
  await order('DisconnectCluster', { id: 'end-1' }, 'ActionRefused')
  const objectReference = { apiVersion: 'v1', kind: 'Node', name: first?.nodeName, uid: first?.nodeName }
  await order('CreateEvent', { id: 'event-1', reportingComponent: 'example.com/us', objectReference, reason: 'A', action: 'B' })
  const pods = ((await world(home, '/api/v1/pods')) as Listed).items
  for (const [index, { metadata }] of pods.slice(0, 4).entries())
    await order('EvictPod', { id: `evict-${index}`, namespace: metadata.namespace, podName: metadata.name, timeoutSeconds: 5 })
  const left = await nodesOf(home) // the evictor has removed some meanwhile
  await order('DrainNode', { id: 'drain-1', ...left[0], drainTimeoutSeconds: 10, onFailure: 'keep' })
  await order('UncordonNode', { id: 'back-1', ...left[0], action: 'drain-1' }, 'ActionAccepted', 'ActionRefused')
  await order('DrainNode', { id: 'drain-2', nodeName: left[0]?.nodeName, nodeUid: 'another' })
}

const story = async (nats: string, home: string): Promise<readonly string[]> => {
  writeFileSync(join(home, 'guard.json'), JSON.stringify(guard))
  await using systems = new AsyncDisposableStack()
  const owners = new Map<number | undefined, number>()
  const start = async (): Promise<Up> => {
    const up = await startUpOn(nats, home, '--nodes', String(NODES), '--guard', join(home, 'guard.json'))
    owners.set(up.child.pid, owners.size + 1)
    systems.defer(async () => {
      if (up.child.exitCode === null && up.child.signalCode === null) await up.stop()
    })
    return up
  }
  const first = await start()
  await first.until('the first plan', is('evictor.PlanMade'))
  await first.call('Promote')
  await first.until('the guard', is('controller.GuardSet'))
  say('the evictor packs the cluster')
  const emptied = (told: Told) => first.told.indexOf(told) > first.told.findIndex(is('evictor.NodeRemoved'))
  await first.until('a node is removed', is('evictor.NodeRemoved'))
  await first.until('nothing is left to do', (told) => is('evictor.PlanMade')(told) && told.data['drains'] === 0 && emptied(told))
  await actions(first, home)
  const [one, other] = (await nodesOf(home)).slice(-2)
  await ordering(first)('DrainNode', { id: 'drain-3', ...one, drainTimeoutSeconds: 20 }, 'NodeCordoned')
  await first.kill()
  const second = await start()
  const order = ordering(second)
  await second.until('the drain goes on and ends', about('drain-3', ...ENDS))
  await order('DeleteNode', { id: 'delete-3', ...one })
  await order('DrainNode', { id: 'drain-4', ...other, drainTimeoutSeconds: 60 }, 'NodeCordoned')
  await second.call('Hold', { reason: 'recorded' })
  await second.until('held', is('cluster.BrakeHeld'))
  await order('DrainNode', { id: 'drain-5', ...other }, 'ActionRefused')
  await second.call('Release')
  await second.until('the drain is over', about('drain-4', ...ENDS))
  await second.call('Demote')
  await second.until('observing', ({ fact, data }) => fact === 'cluster.PhaseEntered' && data['phase'] === 'observing')
  await second.call('Disconnect')
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  return await recorded(second, owners)
}

/** JOURNAL, one record a line; a process is named by its number, not by its id. */
const recorded = async ({ connection }: Up, owners: ReadonlyMap<number | undefined, number>): Promise<readonly string[]> => {
  const nc = await connect(connectionOptions(connection.url, systemSeedFile(connection)))
  try {
    const { state } = await (await nc.jetstreamManager()).streams.info('JOURNAL')
    const lines: string[] = []
    for await (const message of await (await nc.jetstream().consumers.get('JOURNAL', {})).consume()) {
      const stored = message.json<{ readonly own: string }>()
      const [pid = ''] = stored.own.split('-')
      const record = { ...stored, own: stored.own.replace(pid, String(owners.get(Number(pid)) ?? pid)) }
      lines.push(JSON.stringify({ seq: message.seq, subject: message.subject, record }))
      if (message.seq >= state.last_seq) break
    }
    return lines
  } finally {
    await nc.close()
  }
}

const [, , file = ''] = process.argv
if (file === '') throw new Error('say which file to write')
const home = mkdtempSync(join(tmpdir(), 'qm-record-'))
try {
  const { path } = await findNatsServer({ onProgress: say })
  const lines = await story(path, home)
  writeFileSync(join(import.meta.dirname, file), `${lines.join('\n')}\n`)
  say(`${lines.length} records`)
} finally {
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}
process.exit(0)
