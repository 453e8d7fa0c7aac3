import type { CertificateRequest, NodeIdentity } from './events/certificates.ts'
import type { ChartUpsert, Revision } from './events/charts.ts'
import type { BrakeReport, BrakeSwitch } from './events/cluster.ts'
import type { Planned, Verified } from './events/evictor.ts'
import type { Kind } from './events/kinds.ts'
import type { KubernetesObject, Node, ObjectMeta, Pod } from './events/kubernetes.ts'
import type { CreateEvent, ObjectId, Patch } from './events/orders.ts'
import type { Prices } from './events/plan.ts'
import type { Cloud } from './events/provider.ts'
import type { RbacObject } from './events/rbac.ts'

/** One object of the cluster, meant by its UID: another object of the same name is not it. */
type PodRef = { readonly namespace: string; readonly name: string; readonly uid: string }
/** A pod that is to leave. `owner`: the UID of what will replace it. `unready`: not ready, or ending, when it was listed. */
export type Evicted = PodRef & { readonly owner?: string; readonly unready?: true }
export type NodeRef = { readonly name: string; readonly uid: string }
/** A VolumeAttachment, and the PersistentVolume that it attaches; without one, the volume is a pod's own. */
export type Attachment = {
  readonly name: string
  readonly uid: string
  readonly volume?: string
  /** It goes when its driver has detached the volume. */
  readonly isBeingDeleted: boolean
}

/** What is changed of a node; everything else of it stays. */
export type NodeChange = {
  /** Null takes one away. */
  readonly annotations: Readonly<Record<string, string | null>>
  readonly unschedulable?: boolean
  readonly taint?: { readonly key: string; readonly effect: string; readonly is: 'added' | 'removed' }
}

/** A power over the Kubernetes API, as SelfSubjectAccessReview asks for it. `group` is '' for the core group. */
export type Power = {
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  /** Only there; without it, in all namespaces. */
  readonly namespace?: string
  /** Only of that name; without it, of any. */
  readonly name?: string
}

/** As RBAC and people write it: `create pods/eviction`, `delete nodeclaims.karpenter.sh`, `impersonate serviceaccounts "charts" in ours`. */
export const powerInWords = ({ verb, group, resource, subresource, namespace, name }: Power): string =>
  [
    `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}${group === '' ? '' : `.${group}`}`,
    ...(name === undefined ? [] : [`"${name}"`]),
    ...(namespace === undefined ? [] : [`in ${namespace}`]),
  ].join(' ')

/** What is asked of Kubernetes to change it. Each method is one request, and safe to repeat because of the UID. */
export type KubernetesWrites = {
  getNode(name: string, signal?: AbortSignal): Promise<Node | undefined>
  getPod(namespace: string, name: string, signal?: AbortSignal): Promise<Pod | undefined>
  /** Every pod bound to the node, in any phase. */
  listPodsOn(node: string, signal?: AbortSignal): Promise<readonly Pod[]>
  /** A JSON merge patch, refused with `Gone` if the node with this UID is no more. */
  patchNode(node: NodeRef, patch: object, signal?: AbortSignal): Promise<void>
  /** Changes the very version that was read. @throws Gone, Refused; Unavailable if it is another version by now */
  changeNode(node: Node, change: NodeChange, signal?: AbortSignal): Promise<void>
  /** Eviction v1 with the pod's UID as precondition. @throws Gone, Blocked (a budget: 429), Refused, Unavailable */
  evictPod(pod: PodRef, signal?: AbortSignal): Promise<void>
  /** DELETE with UID precondition. @param graceSeconds undefined: the pod's own @throws Gone, Refused, Unavailable */
  deletePod(pod: PodRef, graceSeconds: number | undefined, signal?: AbortSignal): Promise<void>
  /** DELETE with UID precondition. @throws Gone, Refused, Unavailable */
  deleteNode(node: NodeRef, signal?: AbortSignal): Promise<void>
  /** The VolumeAttachments of a node. None where the API knows no such kind. May be two seconds old. */
  attachmentsOf(node: string, signal?: AbortSignal): Promise<readonly Attachment[]>
  /** DELETE with UID precondition. @throws Gone, Refused, Unavailable */
  deleteAttachment(attachment: Attachment, signal?: AbortSignal): Promise<void>
  /** The PersistentVolume that a claim is bound to; undefined: none, or there is no such claim. */
  volumeOf(namespace: string, claim: string, signal?: AbortSignal): Promise<string | undefined>
  /** Those of the powers that this process does not have (SelfSubjectAccessReview). */
  missingPowers(powers: readonly Power[], signal?: AbortSignal): Promise<readonly Power[]>
}

/** An object as the API holds it. */
export type ObjectRead = {
  readonly uid: string
  readonly resourceVersion: string
  readonly body: Readonly<Record<string, unknown>>
}

/** Single objects of any kind. Each method is one request. */
export type Objects = {
  read(object: ObjectId, signal?: AbortSignal): Promise<ObjectRead | undefined>
  /** The UID of what was created. @throws AlreadyExists, Refused, Unavailable */
  create(object: ObjectId, manifest: object, signal?: AbortSignal): Promise<string>
  /** The resourceVersion after it. @throws Gone, Refused; Unavailable if the patch says another version */
  patch(object: ObjectId, type: Patch['patchType'], patch: object, signal?: AbortSignal, subresource?: 'status'): Promise<string>
  /** DELETE with UID precondition. @param graceSeconds undefined: the kind's own @throws Gone, Refused, Unavailable */
  remove(object: ObjectId, uid: string, signal?: AbortSignal, graceSeconds?: number): Promise<void>
  /** An Event (events.k8s.io/v1) beside the object that it is about. @throws AlreadyExists, Refused, Unavailable */
  createEvent(event: NewEvent, signal?: AbortSignal): Promise<void>
}
export type NewEvent = Pick<CreateEvent, 'reportingComponent' | 'eventType' | 'reason' | 'action' | 'message'> & {
  readonly name: string
  readonly regarding: CreateEvent['objectReference']
  /** RFC 3339; by default now. */
  readonly eventTime?: string | undefined
}

/** Waits for nodes, however many at once, over one watch. */
export type NodeWaits = {
  /**
   * Resolves with what `judge` first finds, other than undefined. It is asked of the node as it is, and after each change;
   * undefined: there is no such node.
   */
  awaitNode<T>(name: string, judge: (node: Node | undefined) => T | undefined, signal: AbortSignal): Promise<T>
}

/** A pod that a budget has refused to evict, waiting to ask again. */
export type Waiter = {
  readonly namespace: string
  readonly uid: string
  /** The name of the PodDisruptionBudget. */
  readonly budget: string
  /** Epoch ms of the refusal: who was refused longest ago is first. */
  readonly since: number
  /** Not to be asked before, epoch ms: the server's wish. */
  readonly notBefore?: number | undefined
}

/** Evictions of many pods at the same time: nobody asks without a prospect, and each budget's pods take turns. */
export type Evictions = {
  /** As `KubernetesWrites.evictPod`, or Blocked without asking where that would be the answer. */
  evict(pod: Evicted, signal?: AbortSignal): Promise<void>
  /** Resolves when the budget may let this pod go, or when it is time to look again. */
  awaitTurn(waiter: Waiter, signal: AbortSignal): Promise<void>
  /** Resolves when no pod with this UID exists, or when it should long have ended by its own grace period. */
  awaitGone(pod: PodRef, signal: AbortSignal): Promise<'gone' | 'stuck'>
}

/**
 * What a node's machine belongs to, and what therefore has to become smaller by one, so that nothing grows back. Of a
 * node object alone nothing does: its machine may run on.
 */
export type NodeOwner =
  | { readonly by: 'karpenter'; readonly nodeClaim: string; readonly uid: string; readonly version: string }
  | {
      readonly by: 'cluster-api'
      readonly version: string
      readonly namespace: string
      readonly machine: string
      readonly uid: string
      /** The MachineDeployment or MachineSet whose replicas count it. */
      readonly group: { readonly resource: 'machinedeployments' | 'machinesets'; readonly name: string; readonly uid: string }
    }
  | { readonly by: 'cluster-autoscaler' }
  | { readonly by: 'aws-auto-scaling'; readonly region: string; readonly group: string; readonly instance: string }
  | {
      readonly by: 'gcp-instance-group'
      readonly project: string
      readonly zone: string
      /** Its name, which another one may get, and its id, which none gets. */
      readonly instance: string
      readonly id: string
      /** Its manager: `zones/ZONE/instanceGroupManagers/NAME`, or `regions/…`. */
      readonly group: string
      /** GKE's, `projects/…/nodePools/NAME`, if it is one's. */
      readonly nodePool?: string
    }
  | {
      readonly by: 'aks-agent-pool'
      /** The managed cluster's resource id. */
      readonly cluster: string
      readonly pool: string
      readonly machine: string
    }
  | { readonly by: 'webhook'; readonly providerId: string }
  | { readonly by: 'node-object' }
/** One removal, meant by the action that asks for it. */
export type RemovalRequest = { readonly owner: NodeOwner; readonly node: NodeRef; readonly action: string }

/** Removes a node's machine by way of its owner. Each method is safe to repeat: the world is asked first. */
export type NodeRemoval = {
  /** @throws Refused when nothing that we know owns it, its group may not become smaller, or we lack a power for it */
  ownerOf(node: NodeRef, signal?: AbortSignal): Promise<NodeOwner>
  /** Says that this machine is the one to go (Cluster API). @throws Gone, Refused, Unavailable */
  mark(request: RemovalRequest, signal?: AbortSignal): Promise<void>
  /** Takes that back. */
  unmark(request: RemovalRequest, signal?: AbortSignal): Promise<void>
  /** Makes the owner smaller by this one, exactly once for an action. @throws Gone, Refused, Unavailable */
  shrink(request: RemovalRequest, signal?: AbortSignal): Promise<void>
  /** Resolves when the machine is gone, with who says so. */
  awaitRemoved(request: RemovalRequest, signal: AbortSignal): Promise<string>
  /** Takes away what `shrink` has written down to know that it was done. */
  tidy(request: RemovalRequest, signal?: AbortSignal): Promise<void>
}

/** One way of removing a machine. What it does not have to do is not there. */
export type Remover = Pick<NodeRemoval, 'shrink' | 'awaitRemoved'> &
  Partial<Pick<NodeRemoval, 'mark' | 'unmark' | 'tidy'>> & {
    readonly by: NodeOwner['by']
    /** The owner, if it is one of this kind. @throws Refused when it is, and may not become smaller; Unavailable */
    claim(node: NodeRef, signal?: AbortSignal): Promise<NodeOwner | undefined>
    /** What of Kubernetes a removal by this owner needs beyond what the claim has read. */
    powers?(owner: NodeOwner): readonly Power[]
  }

/** Tells of single objects as the agent brings them. A hint: who acts on it asks the API. */
export type ObjectNews = {
  /** @param heard the new record, or undefined when it was deleted @returns ends it */
  follow(
    kind: Pick<Kind, 'group' | 'resource'>,
    namespace: string | undefined,
    name: string,
    heard: (object: unknown) => void,
  ): () => void
}

type CsrRef = { readonly name: string; readonly uid: string }

/** Requests for certificates (certificates.k8s.io). All but `follow` are one request each. */
export type CertificateRequests = {
  /**
   * Tells of every request there is, and of each new one, until the signal aborts; after a failure it lists again. Of one
   * and the same it may tell several times.
   * @param onFailure hears why nothing can be read at the moment
   */
  follow(
    onRequest: (request: CertificateRequest) => Promise<void>,
    onFailure: (reason: string) => void,
    signal: AbortSignal,
  ): Promise<void>
  /** @throws Refused, Unavailable */
  read(name: string, signal?: AbortSignal): Promise<CertificateRequest | undefined>
  /** Names and addresses of a Node. @throws Refused, Unavailable */
  node(name: string, signal?: AbortSignal): Promise<NodeIdentity | undefined>
  /** Approves what was read as that resourceVersion, and nothing else. @throws Gone, Refused, Unavailable (also: it was changed) */
  approve(csr: CsrRef & { readonly resourceVersion: string }, message: string, signal?: AbortSignal): Promise<void>
  /** Makes a request of the same name and contents. @throws Refused, Unavailable (also: there is one of that name) */
  create(request: CertificateRequest, signal?: AbortSignal): Promise<CsrRef>
}

type Release = { readonly namespace: string; readonly releaseName: string }
type Timed = Release & { readonly timeoutSeconds: number }

/**
 * Helm. What is asked of it ends when the signal aborts, and leaves no process behind, also not when we are killed. All
 * throw Refused (it says no, and will say no again) and Unavailable (no answer, or somebody is at work on the release).
 */
export type Helm = {
  /** The revisions that are kept; none: there is no release. */
  history(release: Release, signal: AbortSignal): Promise<readonly Revision[]>
  /** What installing or upgrading would apply, asked of the cluster itself. `digest` is the chart's, SHA-256. */
  render(order: ChartUpsert, signal: AbortSignal): Promise<{ readonly digest: string; readonly rbac: readonly RbacObject[] }>
  /** What a revision holds. */
  rbacOf(release: Release, revision: number, signal: AbortSignal): Promise<readonly RbacObject[]>
  /** Installs or upgrades and waits until it is ready. The chart has to be the one that was rendered. @throws Failed */
  upgrade(order: ChartUpsert, how: { readonly digest: string; readonly mark: string }, signal: AbortSignal): Promise<void>
  /** @throws Failed */
  rollback(release: Timed, how: { readonly to: number; readonly mark: string }, signal: AbortSignal): Promise<void>
  /** A release that is not there is uninstalled. @throws Failed */
  uninstall(release: Timed, signal: AbortSignal): Promise<void>
}

/** Objects that give rights, as they are. */
export type RbacReads = {
  find(object: Pick<RbacObject, 'kind' | 'namespace' | 'name'>, signal?: AbortSignal): Promise<RbacObject | undefined>
}

/** The ConfigMap that holds the brake, for people who have kubectl alone. */
export type SwitchReads = {
  /** What it says now; undefined: it does not hold the brake, or is not there. @throws Refused, Unavailable */
  readSwitch(signal?: AbortSignal): Promise<BrakeSwitch | undefined>
}

export type Change =
  | { readonly type: 'ADDED' | 'MODIFIED'; readonly object: KubernetesObject }
  | { readonly type: 'DELETED'; readonly object: KubernetesObject }

/** An object as it is written down: JSON in UTF-8. */
export type ObjectRecord = {
  readonly metadata: Pick<ObjectMeta, 'namespace' | 'name' | 'uid' | 'resourceVersion'>
  readonly text: Uint8Array
}

/** What a reflector tells its listener, in order. A listener that answers slowly slows the reflector down. */
export type ReflectorListener = {
  /**
   * A list begins: what is not listed until `listed` no longer exists. Called again after a 410.
   * @param isOtherHistory the API's versions have gone back (a restored backup): one that is known may mean something else now
   */
  listing(isOtherHistory?: boolean): void | Promise<void>
  page(records: readonly ObjectRecord[]): void | Promise<void>
  /** The list is complete at this resourceVersion. */
  listed(resourceVersion: string): void | Promise<void>
  changed(change: Change, resourceVersion: string): void | Promise<void>
  /** Nothing changed up to this resourceVersion. */
  bookmark(resourceVersion: string): void | Promise<void>
  /** The API does not answer, or not with sense; the reflector goes on trying. */
  stalled(reason: string): void | Promise<void>
  /** After a stall: connected again. */
  recovered(): void | Promise<void>
  /** An object that makes no sense is left out, if it could be told which: an older version in its place would be a lie. */
  malformed(description: string, at?: ObjectName): void | Promise<void>
}

/** Where an object of a kind stands. */
export type ObjectName = { readonly namespace: string | undefined; readonly name: string }

/** A kind, and the version of its group at which it is read. */
export type Served = { readonly kind: Kind; readonly version: string }

/** Reads kinds of objects and follows them. */
export type KubernetesReads = {
  /** Runs until the signal aborts. From `resourceVersion` on if given (no list unless the server says 410). */
  reflect(served: Served, from: string | undefined, listener: ReflectorListener, signal: AbortSignal): Promise<void>
}

/** What the Kubernetes API tells about whose cluster it is; absent is what it does not tell. */
export type ClusterFacts = {
  readonly clusterId?: string | undefined
  /** Of the API server: `v1.33.4-eks-…`, `v1.33.4-gke.…`. */
  readonly gitVersion?: string | undefined
  /** The name under which we reach the API server. */
  readonly host: string
  /** Some of the nodes, among them this process's own if it is known. */
  readonly nodes: readonly NodeFacts[]
  /** Whether `nodes` are all there are. */
  readonly allNodes: boolean
  /** kOps' channel, from the annotation of kube-system. */
  readonly addonChannel?: string | undefined
  readonly openshift?: OpenShiftFacts | undefined
  /** What EKS wrote into the VPC CNI's DaemonSet. */
  readonly vpcCniClusterName?: string | undefined
  /** What we could not read, and why. */
  readonly unread: readonly string[]
}
export type NodeFacts = {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly providerID?: string | undefined
  /** GCE's number of the machine, from GKE's annotation. */
  readonly instanceId?: string | undefined
}
export type OpenShiftFacts = {
  readonly clusterId?: string | undefined
  readonly name?: string | undefined
  readonly cloud?: Cloud | undefined
  readonly region?: string | undefined
}

/** What a cloud's metadata service tells about the machine that this process runs on. */
export type MachineFacts = {
  readonly cloud: Cloud
  /** As a node's `spec.providerID` has it. */
  readonly providerID?: string | undefined
  readonly instanceId?: string | undefined
  readonly region?: string | undefined
  readonly location?: string | undefined
  readonly account?: string | undefined
  readonly clusterName?: string | undefined
  readonly nodeResourceGroup?: string | undefined
}

/** Asks whose cluster this is. */
export type ProviderReads = {
  /** @throws Unavailable while the API does not answer; what it refuses is in `unread`. */
  cluster(signal?: AbortSignal): Promise<ClusterFacts>
  /** Asks the metadata service of the cloud. @throws Unavailable within seconds: no answer, a slow one, or no sense in it */
  machine(cloud: Cloud, signal?: AbortSignal): Promise<MachineFacts>
}

/**
 * Why a kind can't be read: the API serves none; at versions that we don't know; not to us; or its server is away, so
 * that nothing can be said about it.
 */
type Unreadable = 'absent' | 'unreadable' | 'forbidden' | 'unknown'
export type Finding =
  | { readonly kind: Kind; readonly is: 'served'; readonly version: string }
  | { readonly kind: Kind; readonly is: Unreadable; readonly reason: string }
export type KubernetesDiscovery = {
  /** Which of the kinds can be read now, in their order. @throws Unavailable, Refused */
  discover(kinds: readonly Kind[], signal?: AbortSignal): Promise<readonly Finding[]>
}

/** Where the reading of one kind stands: the watermark in OBJECTS. */
export type KindMeta = {
  readonly epoch: string
  /** `unavailable`: the kind can't be read, for the reason; what is there is as old as `observedAt`. */
  readonly state: 'listing' | 'streaming' | 'stalled' | 'unavailable'
  readonly reason?: string | undefined
  /** What its records are made of: the version of the group they were read at, and the form they were written in. */
  readonly version?: string | undefined
  readonly form?: number | undefined
  readonly resourceVersion: string
  /** Epoch milliseconds of the last word from the API: change, bookmark or list. */
  readonly observedAt: number
  readonly count: number
  /** Order-free hash over (uid, resourceVersion) of the kind's live objects. */
  readonly hash: string
  /** Objects of the cluster that no record could be made of. Their room would look free: nothing is planned meanwhile. */
  readonly leftOut?: number | undefined
}

/** Thinks about packing, off the actors' thread, on a model that follows OBJECTS. */
export type Planner = {
  /** A plan from the newest objects, kept under its id in the bucket `plans`. @throws NotReady while the model is not */
  plan(request: { readonly avoid: readonly string[] }, signal?: AbortSignal): Promise<Planned>
  verify(request: { readonly plan: string; readonly nodes: readonly string[] }, signal?: AbortSignal): Promise<Verified>
}

/** The least cost·x with rowLower ≤ A·x ≤ rowUpper and lower ≤ x ≤ upper; A column by column (starts, indices, values). */
export type LinearProgram = {
  readonly cost: Float64Array
  readonly lower: Float64Array
  readonly upper: Float64Array
  readonly rowLower: Float64Array
  readonly rowUpper: Float64Array
  readonly starts: Int32Array
  readonly indices: Int32Array
  readonly values: Float64Array
}
export type LinearRun = {
  /** What one unit more of each row's limit costs at the optimum, or undefined: not there yet after so long, or not at all. */
  duals(patienceMs: number): Float64Array | undefined
  /** Nobody waits for it any more. */
  stop(): void
}
/** Solves beside the thread that asks. */
export type LinearSolver = {
  begin(program: LinearProgram): LinearRun
}

/** Somebody who knows what nodes cost. */
export type PriceSource = {
  /** What each costs now. @throws Unavailable, Failed naming the field that makes no sense */
  prices(signal?: AbortSignal): Promise<Prices>
}

/** The processes of this system: what each hosts, and how far it has seen the governing actor's journal. */
export type Processes = {
  /** Waits until every process has seen commit `n` and has nothing disruptive under way, or until time has made sure. */
  awaitSeen(n: number, signal?: AbortSignal): Promise<BrakeReport>
}

/** The kinds that the work needs are not all streaming and fresh: nothing disruptive is decided on old news. */
export class NotReady extends Error {
  override name = 'NotReady'
}

/** The object is no more, or another one has its name. */
export class Gone extends Error {
  override name = 'Gone'
}

/** A disruption budget forbids it for now; `retryAfterMs` is the server's wish, if it has one. */
export class Blocked extends Error {
  override name = 'Blocked'
  readonly retryAfterMs: number | undefined
  /** The name of the budget, if the server said it. */
  readonly budget: string | undefined
  constructor(message: string, retryAfterMs?: number, budget?: string) {
    super(message)
    this.retryAfterMs = retryAfterMs
    this.budget = budget
  }
}

/** Kubernetes says no, and will say no again: a missing power, an invalid request, two budgets on one pod. */
export class Refused extends Error {
  override name = 'Refused'
}

/** It was begun and did not come to a good end; what is there now has to be looked at. */
export class Failed extends Error {
  override name = 'Failed'
}

/** The world did not answer, or is overloaded: wait and try again. */
export class Unavailable extends Error {
  override name = 'Unavailable'
  /** Not to be asked sooner: the server's wish, ms, if it has one. */
  readonly retryAfterMs: number | undefined
  /** Of the HTTP answer, if there was one. */
  readonly code: number | undefined
  constructor(
    message: string,
    options: ErrorOptions & { readonly retryAfterMs?: number | undefined; readonly code?: number } = {},
  ) {
    super(message, options)
    this.retryAfterMs = options.retryAfterMs
    this.code = options.code
  }
}

/** Another writer has taken over what this one wrote: stop, and overwrite nothing. */
export class Superseded extends Error {
  override name = 'Superseded'
}

/** An object of this name is there already. */
export class AlreadyExists extends Unavailable {
  override name = 'AlreadyExists'
}
