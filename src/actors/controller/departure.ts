import type { PodRef } from '../../events/controller.ts'
import { controllerOf, type Pod } from '../../events/kubernetes.ts'
import type { Cursor } from './drain-node.ts'

/** The priority of system-cluster-critical, the lowest that is called critical. */
const CRITICAL = 2_000_000_000
/** Sidecars of CSI drivers, by which a driver's pod is known (kubernetes-csi.github.io/docs/sidecar-containers.html). */
const CSI_SIDECARS: ReadonlySet<string> = new Set([
  'csi-attacher',
  'csi-provisioner',
  'csi-resizer',
  'csi-snapshotter',
  'csi-driver-registrar',
  'node-driver-registrar',
])
/** Our own pods, by the labels that the recommended labels of Kubernetes give them. */
const isOurs = ({ metadata: { labels } }: Pod): boolean =>
  labels?.['app.kubernetes.io/part-of'] === 'quartermaster' || labels?.['app.kubernetes.io/name'] === 'quartermaster'
const isCsiDriver = ({ spec: { containers } }: Pod): boolean => containers.some(({ name }) => CSI_SIDECARS.has(name))
const priorityOf = ({ spec }: Pod): number => spec.priority ?? 0

/** What leaves together: first the ordinary, then the critical, then what others need to let go of volumes, then ourselves. */
const tierOf = (pod: Pod): number => (isOurs(pod) ? 3 : isCsiDriver(pod) ? 2 : priorityOf(pod) >= CRITICAL ? 1 : 0)

const placeOf = (pod: Pod): Cursor => ({ tier: tierOf(pod), priority: priorityOf(pod), uid: pod.metadata.uid })
const compared = (a: Cursor, b: Cursor): number =>
  a.tier - b.tier || a.priority - b.priority || (a.uid < b.uid ? -1 : Number(a.uid > b.uid))

/** Without key, value and effect it is a toleration of every taint, the one against scheduling included. */
const toleratesEverything = ({ spec }: Pod): boolean =>
  spec.tolerations?.some(({ key = '', operator, effect = '' }) => key === '' && operator === 'Exists' && effect === '') ?? false

const isReady = ({ conditions }: Pod['status']): boolean =>
  conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false

/** Pure: the pod, meant by its UID, with what is to be known of it to evict it. */
export const refOf = ({ metadata, status }: Pod): PodRef => {
  const { namespace = '', name, uid, deletionTimestamp } = metadata
  const owner = controllerOf(metadata)?.uid
  const isUnready = !isReady(status) || deletionTimestamp !== undefined
  return { namespace, name, uid, ...(owner !== undefined && { owner }), ...(isUnready && { unready: true }) }
}

const isFinished = ({ status: { phase } }: Pod): boolean => phase === 'Succeeded' || phase === 'Failed'

/**
 * DaemonSet pods and what tolerates everything come back to any node; mirror pods and a node's own are the kubelet's;
 * finished ones hold nothing.
 */
const mustLeave = (pod: Pod): boolean => {
  const { metadata } = pod
  const owner = controllerOf(metadata)?.kind
  return (
    !isFinished(pod) &&
    owner !== 'DaemonSet' &&
    owner !== 'Node' &&
    metadata.annotations?.['kubernetes.io/config.mirror'] === undefined &&
    !toleratesEverything(pod)
  )
}

/**
 * Pure: which pods of a node leave next: of those that have to, the first tier that has any (or the tier of `after`, and
 * only what comes behind it), in the order of their priority.
 * @param except UIDs that are waited for no more
 * @param most how many at most; `after` of the answer says from where on there are more of the tier
 */
export const leavingNext = (
  pods: readonly Pod[],
  after: Cursor | undefined,
  except: readonly string[],
  most: number,
): { readonly pods: readonly Pod[]; readonly after?: Cursor } => {
  const left = pods
    .filter((pod) => mustLeave(pod) && !except.includes(pod.metadata.uid))
    .map((pod) => ({ pod, place: placeOf(pod) }))
    .filter(({ place }) => after === undefined || (place.tier === after.tier && compared(place, after) > 0))
    .toSorted((a, b) => compared(a.place, b.place))
  const tier = left.filter(({ place }) => place.tier === left[0]?.place.tier)
  const next = tier.slice(0, most)
  const last = next.at(-1)
  return { pods: next.map(({ pod }) => pod), ...(last && tier.length > most && { after: last.place }) }
}

/** Pure: the claims whose volumes stay attached, because pods on the node stay: `[namespace, claim]`. */
export const claimsOfStaying = (pods: readonly Pod[]): readonly (readonly [string, string])[] =>
  pods
    .filter((pod) => !mustLeave(pod) && !isFinished(pod))
    .flatMap(({ metadata: { namespace = '', name }, spec }) =>
      (spec.volumes ?? []).flatMap(({ name: volume, persistentVolumeClaim, ephemeral }) =>
        persistentVolumeClaim
          ? [[namespace, persistentVolumeClaim.claimName] as const]
          : ephemeral
            ? [[namespace, `${name}-${volume}`] as const]
            : [],
      ),
    )
