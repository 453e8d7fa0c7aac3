import { randomUUID } from 'node:crypto'
import { headers } from 'nats'
import { recordHistory } from '../src/adapters/jetstream/objects-history.ts'
import { unpackBlock } from '../src/adapters/jetstream/objects-history-block.ts'
import { writeFrame } from '../src/adapters/jetstream/objects-history-frame.ts'
import { kindsThen } from '../src/adapters/jetstream/objects-history-kinds.ts'
import { pictureAt } from '../src/adapters/jetstream/objects-history-picture.ts'
import { ensureHistoryStream, HISTORY_MS, historyOn, marksIn } from '../src/adapters/jetstream/objects-history-stream.ts'
import { ensureObjectsStream } from '../src/adapters/jetstream/objects-stream.ts'
import { type Publish, publisher } from '../src/adapters/jetstream/publish.ts'
import { roomIn } from '../src/adapters/jetstream/room.ts'
import { nodesThen } from '../src/commands/up/nodes-then.ts'
import { subjects, token } from '../src/events/subjects.ts'
import { type Bed, CLUSTER, onFreshServer } from './bed.ts'
import { type Figure, figure } from './figures.ts'

const NODES = 5_000
const PODS = 150_000
const WRITERS = 256
const ANSWER_MS = 30_000
const CHANGES = 40_000
const CHANGES_PER_SECOND = 2_000
const MIB = 2 ** 20
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** What a large cluster changes by itself: each kubelet reports every five minutes, and each pod changes six times a day. */
const USUAL_PER_SECOND = NODES / 300 + (PODS * 6) / 86_400

let version = 100_000_000
const rnd = (below: number): number => Math.floor(Math.random() * below)
const letters = (count: number): string => Array.from({ length: count }, () => 'bcdfghjklmnpqrstvwxz2456789'[rnd(27)]).join('')
const time = (): string => new Date(1.79e12 + rnd(1e10)).toISOString().replace(/\.\d+/, '')

type Record = { readonly subject: string; readonly object: { readonly metadata: { resourceVersion: string } } }
const record = (
  resource: string,
  object: { readonly metadata: { readonly name: string; readonly namespace?: string; resourceVersion: string } },
): Record => {
  const { name, namespace } = object.metadata
  return { subject: `qm.${CLUSTER}.obj.core.${resource}.${namespace ?? '_'}.${token(name)}`, object }
}
const metadata = (name: string) => ({ name, uid: randomUUID(), resourceVersion: `${++version}`, creationTimestamp: time() })

const condition = (type: string, status = 'True') => ({ type, status })
const nodeNamed = (name: string): Record =>
  record('nodes', {
    kind: 'Node',
    metadata: {
      ...metadata(name),
      labels: {
        'eks.amazonaws.com/capacityType': ['ON_DEMAND', 'SPOT'][rnd(2)],
        'eks.amazonaws.com/nodegroup': `group-${rnd(8)}`,
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'node.kubernetes.io/instance-type': ['m6i.2xlarge', 'm6i.4xlarge', 'c6i.4xlarge'][rnd(3)],
        'topology.kubernetes.io/region': 'eu-west-1',
        'topology.kubernetes.io/zone': `eu-west-1${'abc'[rnd(3)]}`,
      },
    },
    spec: { providerID: `aws:///eu-west-1a/i-${letters(17)}` },
    status: {
      allocatable: { cpu: '7910m', memory: '31482192Ki', pods: '58', 'ephemeral-storage': '95551679124' },
      conditions: [condition('MemoryPressure', 'False'), condition('DiskPressure', 'False'), condition('Ready')],
    },
  } as Parameters<typeof record>[1])

type SetOf = { readonly name: string; readonly uid: string; readonly namespace: string; readonly cpu: string }
const podOf = (set: SetOf, node: string): Record =>
  record('pods', {
    kind: 'Pod',
    metadata: {
      ...metadata(`${set.name}-${letters(5)}`),
      namespace: set.namespace,
      labels: { app: set.name.slice(0, 7), 'pod-template-hash': set.name.slice(8) },
      ownerReferences: [{ kind: 'ReplicaSet', name: set.name, uid: set.uid, controller: true }],
    },
    spec: {
      nodeName: node,
      tolerations: ['not-ready', 'unreachable'].map((key) => ({
        key: `node.kubernetes.io/${key}`,
        operator: 'Exists',
        effect: 'NoExecute',
      })),
      terminationGracePeriodSeconds: 30,
      containers: [{ name: 'app', resources: { requests: { cpu: set.cpu, memory: '512Mi' }, limits: { memory: '512Mi' } } }],
      volumes: [{ name: `kube-api-access-${letters(5)}`, projected: {} }],
    },
    status: {
      phase: 'Running',
      startTime: time(),
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => condition(type)),
    },
  } as Parameters<typeof record>[1])

const world = (): readonly Record[] => {
  const names = Array.from(
    { length: NODES },
    (_, index) => `ip-10-${index >> 8}-${index & 255}-${rnd(255)}.eu-west-1.compute.internal`,
  )
  const sets = Array.from({ length: PODS / 10 }, () => ({
    name: `app-${letters(3)}-${letters(9)}`,
    uid: randomUUID(),
    namespace: `team-${rnd(200)}`,
    cpu: `${rnd(20) * 50}m`,
  }))
  const pods = Array.from({ length: PODS }, () => podOf(sets[rnd(sets.length)] as SetOf, names[rnd(NODES)] ?? ''))
  return [...names.map(nodeNamed), ...pods]
}

const put = (publish: Publish, { subject, object }: Record) => publish(subject, Buffer.from(JSON.stringify(object)), headers())
const putAll = async (publish: Publish, records: readonly Record[]): Promise<void> => {
  const rows = records.values()
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      for (const one of rows) await put(publish, one)
    }),
  )
}

/** Random objects get new versions at an even pace. */
const change = async (publish: Publish, records: readonly Record[]): Promise<void> => {
  const startedAt = performance.now()
  const pending: Promise<unknown>[] = []
  for (let done = 0; done < CHANGES; done++) {
    const one = records[rnd(records.length)]
    if (!one) continue
    one.object.metadata.resourceVersion = `${++version}`
    pending.push(put(publish, one))
    const early = (done / CHANGES_PER_SECOND) * 1_000 - (performance.now() - startedAt)
    if (early > 5) await new Promise((resolve) => setTimeout(resolve, early))
  }
  await Promise.all(pending)
}

/** Versions and bytes among the changes after a HISTORY sequence. */
const changesAfter = async ({ nc }: Bed, after: number) => {
  let [versions, bytes, last] = [0, 0, after]
  for await (const { seq, data } of historyOn(nc, subjects(CLUSTER).history('changes'), after)) {
    versions += (await unpackBlock(`HISTORY ${seq}`, data)).versions.length
    bytes += data.length
    last = seq
  }
  return { versions, bytes, last }
}

/** Seconds of this process' CPU time, whatever else the machine does. */
const timed = async <T>(work: () => Promise<T>): Promise<{ readonly cpuSeconds: number; readonly result: T }> => {
  const before = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return { cpuSeconds: (user + system) / 1e6, result }
}

const measured = async (bed: Bed): Promise<readonly Figure[]> => {
  const { nc, js, jsm } = bed
  const room = roomIn(undefined).history
  await ensureObjectsStream(jsm, CLUSTER, 1)
  await ensureHistoryStream(jsm, CLUSTER, 1, room)
  const publish = publisher(nc, ANSWER_MS)
  const records = world()
  const end = new AbortController()
  const recorder = recordHistory({ nc, js, jsm, cluster: CLUSTER, log: silent, newId: randomUUID }, end.signal)
  while ((await marksIn(nc, CLUSTER)).length === 0) await new Promise((resolve) => setTimeout(resolve, 100))
  await putAll(publish, records)
  const caughtUp = async (count: number, after: number) => {
    for (;;) {
      await recorder.flush()
      const found = await changesAfter(bed, after)
      const { state } = await jsm.streams.info('OBJECTS')
      const { through } = await lastOf(bed)
      if (through >= state.last_seq || found.versions >= count) return found
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
  const first = await caughtUp(records.length, 0)
  await change(publish, records)
  const changes = await caughtUp(CHANGES, first.last)

  const { created, state } = await jsm.streams.info('OBJECTS')
  const frame = {
    js,
    cluster: CLUSTER,
    id: 'bench',
    created,
    through: state.last_seq,
    until: Date.now(),
    after: changes.last,
    pauseMs: 0,
  }
  const written = await timed(() => writeFrame(frame, new AbortController().signal))
  await js.publish(subjects(CLUSTER).history('marks'), JSON.stringify(written.result))
  const picture = await timed(async () => kindsThen(await pictureAt(nc, jsm, CLUSTER, Date.now() + 1_000)))
  const nodes = await timed(async () => nodesThen(await pictureAt(nc, jsm, CLUSTER, Date.now() + 1_000)))
  end.abort()
  await recorder.ended

  const plainBytes = records.reduce((sum, { object }) => sum + JSON.stringify(object).length, 0)
  const perChange = changes.bytes / changes.versions
  const framesMs = Math.max(3_600_000, (HISTORY_MS * written.result.bytes) / (room / 2))
  const perDay = USUAL_PER_SECOND * perChange * 86_400 + (written.result.bytes * 86_400_000) / framesMs
  return [
    figure('history: key frame, 5,000 nodes and 150,000 pods', written.result.bytes / MIB, 'MiB'),
    figure('history: an object in OBJECTS', plainBytes / records.length, 'B'),
    figure('history: of the frame per object', written.result.bytes / records.length, 'B'),
    figure('history: key frame written', written.cpuSeconds, 's CPU'),
    figure('history: between two frames in 2 GiB', framesMs / 3_600_000, 'h'),
    figure('history: a change at 2,000/s', perChange, 'B'),
    figure('history: versions not recorded at 2,000/s', (100 * (CHANGES - changes.versions)) / CHANGES, '%', { atMost: 0.1 }),
    figure(`history: kept in 2 GiB at ${USUAL_PER_SECOND.toFixed(0)} changes/s`, Math.min(7, room / perDay), 'days'),
    figure('history: every kind of a time counted and compared', picture.cpuSeconds, 's CPU', { atMost: 5 }),
    figure('history: nodes of a time with pods and requests', nodes.cpuSeconds, 's CPU', { atMost: 10 }),
  ]
}

const lastOf = async ({ jsm }: Bed) => {
  const { seq, data } = await jsm.streams.getMessage('HISTORY', { last_by_subj: subjects(CLUSTER).history('changes') })
  return unpackBlock(`HISTORY ${seq}`, data)
}

/** What the past of a large cluster costs, how long it is kept, and how fast it is read. */
export const run = (): Promise<readonly Figure[]> => onFreshServer(measured)
