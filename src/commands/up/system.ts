import { randomUUID } from 'node:crypto'
import type { ConnectionOptions, NatsConnection } from 'nats'
import { permits, permitsNothing } from '../../actors/cluster.ts'
import { NODE_ID_LABELS } from '../../actors/controller/node-identity.ts'
import { jetstreamEvents } from '../../adapters/jetstream/events.ts'
import { jetstreamInbox } from '../../adapters/jetstream/inbox.ts'
import { kvLeases } from '../../adapters/jetstream/leases.ts'
import { publishMachines } from '../../adapters/jetstream/machines.ts'
import { objectNews } from '../../adapters/jetstream/object-news.ts'
import { objectStore } from '../../adapters/jetstream/objects.ts'
import { recordHistory } from '../../adapters/jetstream/objects-history.ts'
import { observedObjects } from '../../adapters/jetstream/objects-observed.ts'
import { kvProcesses } from '../../adapters/jetstream/processes.ts'
import { publisher } from '../../adapters/jetstream/publish.ts'
import { reach } from '../../adapters/jetstream/reach.ts'
import { actorTypes } from '../../adapters/jetstream/streams.ts'
import type { Access } from '../../adapters/kubernetes/access.ts'
import { accountAccess } from '../../adapters/kubernetes/account.ts'
import { certificateRequests } from '../../adapters/kubernetes/certificates.ts'
import { type KubernetesClient, kubernetesClient } from '../../adapters/kubernetes/client.ts'
import { clusterFacts } from '../../adapters/kubernetes/cluster-facts.ts'
import { kubernetesDiscovery } from '../../adapters/kubernetes/discovery.ts'
import { kubernetesEvictions } from '../../adapters/kubernetes/evictions.ts'
import { nodeWaits } from '../../adapters/kubernetes/node-waits.ts'
import { kubernetesObjects } from '../../adapters/kubernetes/objects.ts'
import { ONLY_OBSERVES, observing } from '../../adapters/kubernetes/observing.ts'
import { rbacReads } from '../../adapters/kubernetes/rbac.ts'
import { kubernetesReads } from '../../adapters/kubernetes/reflector.ts'
import { configMapSwitch } from '../../adapters/kubernetes/switch.ts'
import { throttled } from '../../adapters/kubernetes/throttle.ts'
import { kubernetesWrites } from '../../adapters/kubernetes/writes.ts'
import { canonicalAddress, readPkcs10 } from '../../adapters/pkcs10.ts'
import { metadataServices } from '../../adapters/providers/machine.ts'
import { metadataEndpoints, ownNode, providerSettings } from '../../adapters/providers/settings.ts'
import type { CertificatePolicy } from '../../events/certificates.ts'
import type { ChartPolicy } from '../../events/charts.ts'
import { type Guard, NO_GUARD } from '../../events/guard.ts'
import { catalogue, type KindOptions } from '../../events/kinds.ts'
import type { RemovalSettings } from '../../events/removal.ts'
import { createBreath } from '../../runtime/breath.ts'
import { systemChance } from '../../runtime/chance.ts'
import { systemClock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/ground.ts'
import { type Host, startHost } from '../../runtime/host.ts'
import { licence } from '../../runtime/licence.ts'
import { project } from '../../runtime/projector.ts'
import { createTimers } from '../../runtime/timers.ts'
import { type Place, type Status, serveAsks, statusOf } from './asks.ts'
import { certificateActionId } from './certificate-action-id.ts'
import { definitions } from './definitions.ts'
import { startFrugal } from './frugal.ts'
import { helmFor } from './helm-for.ts'
import { openPast } from './past.ts'
import { startPlanner } from './planner.ts'
import { openRemoval } from './removal.ts'
import { openStorage, refuseLoss } from './storage.ts'
import type { Vitals } from './vitals.ts'

export type SystemOptions = {
  readonly nats: ConnectionOptions
  readonly cluster: string
  readonly access: Access
  /** What people call that way to the cluster: the kubeconfig's context. */
  readonly context: string
  /** Otherwise it only observes: nothing is changed in the cluster. */
  readonly mayWrite: boolean
  /** Evictor settings; see events/plan.ts. */
  readonly policy: unknown
  readonly prices: unknown
  readonly removal: RemovalSettings
  /** What charts may do; absent: there are none. */
  readonly charts?: ChartPolicy | undefined
  /** By which requests for kubelets' certificates are approved; absent: none is looked at. */
  readonly approveCsr?: CertificatePolicy | undefined
  /** What of the cluster is read beside the rule. */
  readonly kinds?: KindOptions
  /** What may be ordered; see docs/guard.md. Absent: what is allowed by default. */
  readonly guard?: Guard | undefined
  /** The service account of Patch, Create and Delete; absent: the cluster has no accounts. */
  readonly objectsAccount?: string | undefined
  readonly log: Log
  /** No other process can be alive: leases are taken without waiting for them to run out. */
  readonly alone: boolean
  /** Acknowledged records that the journal has lost are given up, instead of refusing to host on what is left. */
  readonly acceptLoss: boolean
  readonly seedFile?: string | undefined
  /** Absent: nobody looks. */
  readonly vitals?: Vitals | undefined
}

export type System = {
  readonly nc: NatsConnection
  readonly host: Host
  readonly status: () => Promise<Status>
  readonly stop: () => Promise<void>
}

/** How long an acknowledgement of an object is awaited before the stream is asked for it. */
const PUBLISH_MS = 5_000
/** Where Quartermaster's own objects are. */
const NAMESPACE = 'quartermaster'

/** As the account of the guard's objects; a system that only observes is none the more allowed for it. */
const grantedClient = (client: KubernetesClient, { access, objectsAccount, mayWrite }: SystemOptions): KubernetesClient => {
  if (objectsAccount === undefined) return client
  const granted = kubernetesClient(accountAccess(client, access, NAMESPACE, objectsAccount))
  return mayWrite ? granted : observing(granted)
}

/** Every actor of ours over one NATS and one Kubernetes: what `up` runs. */
export const startSystem = async (options: SystemOptions): Promise<System> => {
  const { cluster, log, vitals, guard = NO_GUARD } = options
  const life = new AbortController()
  const own = `${process.pid}-${randomUUID().slice(0, 8)}`
  const nc = await reach({ ...options.nats, name: 'quartermaster', reconnectTimeWait: 250 })
  const storage = await openStorage(nc, cluster, options.acceptLoss, log)
  const { js, jsm, journal, archive, snapshots } = storage
  const [leases, processes] = [await kvLeases(js, { log }), await kvProcesses(js)]
  if (options.alone) await Promise.all([leases.clear(), processes.clear()])

  const readOnly = options.mayWrite ? undefined : ONLY_OBSERVES
  const reached = kubernetesClient(options.access, vitals?.agent.answered)
  const client = readOnly === undefined ? reached : observing(reached)
  const granted = grantedClient(client, options)
  // What acts shares one measure of requests; what observes has its own.
  const acting = throttled(client)
  const kubernetes = kubernetesWrites(acting)
  const frugal = startFrugal(log)
  const stored = objectStore(publisher(nc, PUBLISH_MS), js, jsm, cluster, own, {
    mostWaiting: () => frugal.allowance().waiting,
    ...(vitals && { onStored: (_, latency) => vitals.agent.stored(latency) }),
  })
  const objects = observedObjects(stored, vitals?.agent.listed)
  const planner = await startPlanner(
    { cluster, servers: options.nats.servers, seedFile: options.seedFile, policy: options.policy, prices: options.prices },
    log,
  )
  const ports = {
    kubernetes,
    evictions: kubernetesEvictions(acting, kubernetes, objectNews(nc, cluster)),
    removal: openRemoval(acting, kubernetes, options.removal),
    agent: {
      kinds: catalogue(options.kinds),
      discovery: kubernetesDiscovery(client),
      reads: kubernetesReads(client, {}, () => frugal.allowance().page),
      openStore: objects.open,
      providers: {
        cluster: clusterFacts(client, new URL(options.access.server).hostname, ownNode()),
        machine: metadataServices(metadataEndpoints()),
      },
      settings: providerSettings(),
    },
    planner,
    processes,
    brakeSwitch: configMapSwitch(client, NAMESPACE),
    certificates: {
      requests: certificateRequests(client, { pkcs10: readPkcs10, address: canonicalAddress }),
      policy: options.approveCsr,
      idOf: certificateActionId,
      log,
    },
    charts: {
      helm: helmFor(options.access, options.charts, log),
      rbac: rbacReads(client),
      policy: options.charts,
    },
    readOnly,
    own: kubernetesObjects(client),
    granted: kubernetesObjects(granted),
    waits: nodeWaits(kubernetesReads(client)),
    guard,
    nodeIdLabels: guard.nodeIdLabels ?? NODE_ID_LABELS,
  }
  const known = definitions(ports)
  await refuseLoss(storage, cluster, known, options.acceptLoss, own, log)
  const machines = await publishMachines(js, known)
  for (const [type, reason] of machines.refused) log.error({ type }, reason)
  const hosted = known.filter(({ type }) => !machines.refused.has(type))

  const root = { address: { type: 'cluster', id: cluster } }
  let journalAt = performance.now()
  const governor = { actor: root.address, permits: readOnly === undefined ? permits : permitsNothing(readOnly) }
  const held = licence(journal, governor, systemClock, life.signal, () => {
    journalAt = performance.now()
    const state = { types: hosted.map(({ type }) => type), seen: held.seen(), inFlight: held.inFlight() }
    void processes
      .announce(own, state)
      .catch((error: Error) => log.debug({ err: error.message }, 'could not announce this process'))
  })
  const host = startHost({
    ground: {
      process: own,
      journal,
      inbox: jetstreamInbox(nc, js, jsm, cluster),
      clock: systemClock,
      chance: systemChance,
      timers: createTimers(systemClock),
      breath: createBreath(),
      licence: held,
      log,
      meter: vitals?.runtime,
      snapshots,
      archive,
      told: async () => (await jetstreamEvents(js, jsm, cluster).last())?.seq ?? 0,
    },
    leases,
    definitions: hosted,
    root,
    unhosted: actorTypes.filter((type) => !hosted.some((definition) => definition.type === type)),
  })
  frugal.govern(host)
  vitals?.attach({
    host,
    readings: objects.readings,
    journalAt: () => journalAt,
    pressure: frugal.pressure,
    figures: planner.figures,
  })
  await host.ready
  const projecting = project(cluster, journal, jetstreamEvents(js, jsm, cluster), systemClock, log, life.signal)
  const newId = (): string => randomUUID().slice(0, 8)
  const recorder = recordHistory({ nc, js, jsm, cluster, log, newId }, life.signal)
  const past = openPast({ nc, jsm, cluster, journal, archive, definitions: known, machines, recorder, log })
  const place: Place = { cluster, context: options.context, access: options.mayWrite ? 'read-write' : 'read-only' }
  const asks = await serveAsks({ nc, js, jsm, cluster, place, archive, host, planner, more: past.answers })
  return {
    nc,
    host,
    status: () => statusOf(place, host, planner),
    stop: async () => {
      await asks.stop()
      past.stop()
      await host.stop()
      frugal.stop()
      life.abort(new Error('the system stops'))
      await processes
        .withdraw(own)
        .catch((error: Error) => log.debug({ err: error.message }, 'this process is forgotten by itself'))
      await Promise.race([Promise.all([projecting, recorder.ended]), new Promise((resolve) => setTimeout(resolve, 1_000))])
      await planner.stop()
      await granted.close()
      await client.close()
      await nc.close()
    },
  }
}
