import type { JetStreamClient, JetStreamManager } from 'nats'
import { controllerOf, Pod } from '../../events/kubernetes.ts'
import { subjects, token } from '../../events/subjects.ts'
import { type CloudEvent, factOf } from '../../runtime/projector.ts'

/** What `why` asks about. A pod's name is `<namespace>/<name>`, an action's its id. */
export type About = { readonly kind: 'node' | 'pod' | 'action'; readonly name: string }

export type Fact = { readonly time: string; readonly fact: string; readonly data: Readonly<Record<string, unknown>> }
/** A pod that left, and where what replaced it runs now, if that can be told. */
export type Departure = {
  readonly pod: string
  readonly outcome: string
  readonly time: string
  readonly replacement?: { readonly pod: string; readonly node: string }
}

const FACTS = [
  'evictor.NodeChosen',
  'evictor.NodeEmptied',
  'evictor.NodeRemoved',
  'evictor.NodeKept',
  'evictor.PlanAborted',
  'controller.ActionAccepted',
  'controller.ActionRefused',
  'controller.ActionWaiting',
  'controller.ActionApproved',
  'controller.ApprovalRefused',
  'controller.ActionRepeated',
  'controller.NodeCordoned',
  'controller.StepDone',
  'controller.ActionDone',
  'controller.ActionFailed',
  'controller.ActionCompensated',
]

/** Every message that the stream holds now on the subjects, in order. */
const held = async function* (js: JetStreamClient, jsm: JetStreamManager, stream: string, filters: readonly string[]) {
  const { state } = await jsm.streams.info(stream, { subjects_filter: '>' })
  const known = Object.keys(state.subjects ?? {})
  if (!filters.some((filter) => known.some((subject) => matches(subject, filter)))) return
  const consumer = await js.consumers.get(stream, { filterSubjects: [...filters] })
  const messages = await consumer.consume()
  try {
    for await (const message of messages) {
      yield message
      if (message.info.pending === 0) return
    }
  } finally {
    messages.stop()
  }
}
const matches = (subject: string, filter: string): boolean =>
  filter.endsWith('.>') ? subject.startsWith(filter.slice(0, -1)) : subject === filter

/** The public facts about a node, pod or action, oldest first. */
export const factsAbout = async (
  js: JetStreamClient,
  jsm: JetStreamManager,
  cluster: string,
  about: About,
): Promise<readonly Fact[]> => {
  const found: Fact[] = []
  for await (const message of held(js, jsm, 'EVENTS', FACTS.map(subjects(cluster).event))) {
    const event = message.json<CloudEvent>()
    if (event.data[about.kind] === about.name) found.push({ time: event.time, fact: factOf(event), data: event.data })
  }
  return found
}

/**
 * Where the pods that left are now: the k-th departure of one owner is paired with the k-th of its pods that is not older
 * than the first of those departures. The API does not say which pod replaced which; of equal replicas it makes no difference.
 */
export const departures = async (
  js: JetStreamClient,
  jsm: JetStreamManager,
  cluster: string,
  facts: readonly Fact[],
): Promise<readonly Departure[]> => {
  // Other steps than an eviction bring nothing to another place.
  const steps = facts.filter(({ fact, data }) => fact === 'controller.StepDone' && typeof data['since'] === 'number')
  const namespaces = [...new Set(steps.map(({ data }) => String(data['pod']).split('/')[0] ?? ''))]
  const pods = await podsIn(js, jsm, cluster, namespaces)
  const taken = new Set<string>()
  return steps.map(({ time, data }) => {
    const replacement = pods.find(
      ({ metadata, spec }) =>
        controllerOf(metadata)?.uid === data['owner'] &&
        !taken.has(metadata.uid) &&
        spec.nodeName !== undefined &&
        Date.parse(metadata.creationTimestamp ?? '') >= Math.floor(Number(data['since']) / 1000) * 1000,
    )
    if (replacement) taken.add(replacement.metadata.uid)
    const left = { pod: String(data['pod']), outcome: String(data['outcome']), time }
    return replacement ? { ...left, replacement: { pod: nameOf(replacement), node: replacement.spec.nodeName ?? '' } } : left
  })
}
const nameOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`

const podsIn = async (
  js: JetStreamClient,
  jsm: JetStreamManager,
  cluster: string,
  namespaces: readonly string[],
): Promise<readonly Pod[]> => {
  if (namespaces.length === 0) return []
  const pods: Pod[] = []
  const filters = namespaces.map((namespace) => `qm.${cluster}.obj.core.pods.${token(namespace)}.>`)
  for await (const message of held(js, jsm, 'OBJECTS', filters)) {
    const pod = message.data.length > 0 ? Pod.safeParse(message.json()).data : undefined
    if (pod) pods.push(pod)
  }
  return pods.toSorted((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''))
}
