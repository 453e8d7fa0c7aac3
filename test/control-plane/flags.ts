import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Identity } from './identity.ts'

export type Ports = {
  readonly etcd: number
  readonly peer: number
  readonly api: number
  readonly controllers: number
  readonly scheduler: number
}

const ALWAYS = ['--authorization-always-allow-paths', '/healthz,/readyz,/livez,/metrics']
const url = (port: number): string => `http://127.0.0.1:${port}`
const ETCD_BYTES = 8 * 2 ** 30
/** Requests per second: the defaults (20 and 50) would be what a test with many objects waits for. */
const QPS = 5_000

/** The peer port is needed although there is no peer. */
export const etcdFlags = (folder: string, { etcd, peer }: Ports): readonly string[] => [
  ...['--data-dir', join(folder, 'etcd'), '--unsafe-no-fsync', '--log-level', 'error'],
  ...['--listen-client-urls', url(etcd), '--advertise-client-urls', url(etcd)],
  ...['--listen-peer-urls', url(peer), '--initial-advertise-peer-urls', url(peer), '--initial-cluster', `default=${url(peer)}`],
  ...['--quota-backend-bytes', String(ETCD_BYTES)],
]

/** Without the ServiceAccount plugin pods can be made before the controllers made the account `default`. */
export const apiServerFlags = (ports: Ports, { certificateFile, keyFile, tokensFile }: Identity): readonly string[] => [
  ...['--etcd-servers', url(ports.etcd), '--bind-address', '127.0.0.1', '--advertise-address', '127.0.0.1'],
  ...['--secure-port', String(ports.api), '--tls-cert-file', certificateFile, '--tls-private-key-file', keyFile],
  ...['--client-ca-file', certificateFile, '--token-auth-file', tokensFile, '--authorization-mode', 'RBAC'],
  ...['--service-account-issuer', 'https://kubernetes.default.svc', '--service-account-key-file', certificateFile],
  ...['--service-account-signing-key-file', keyFile, '--service-cluster-ip-range', '10.96.0.0/16'],
  ...['--disable-admission-plugins', 'ServiceAccount', '--endpoint-reconciler-type', 'none', '--profiling=false'],
  ...['--enable-priority-and-fairness=false', '--max-requests-inflight', '0', '--max-mutating-requests-inflight', '0'],
]

/** @param nodeGraceSeconds after so long without a heartbeat a node is not ready */
export const controllerFlags = (
  folder: string,
  ports: Ports,
  { certificateFile, keyFile }: Identity,
  kubeconfig: string,
  nodeGraceSeconds: number,
): readonly string[] => [
  ...[
    '--kubeconfig',
    kubeconfig,
    '--leader-elect=false',
    '--bind-address',
    '127.0.0.1',
    '--secure-port',
    String(ports.controllers),
  ],
  ...['--tls-cert-file', certificateFile, '--tls-private-key-file', keyFile, ...ALWAYS],
  ...['--flex-volume-plugin-dir', join(folder, 'flexvolume')],
  ...['--cluster-signing-cert-file', certificateFile, '--cluster-signing-key-file', keyFile],
  ...['--service-account-private-key-file', keyFile, '--root-ca-file', certificateFile],
  ...['--kube-api-qps', String(QPS), '--kube-api-burst', String(QPS), '--node-monitor-grace-period', `${nodeGraceSeconds}s`],
  ...['--concurrent-deployment-syncs', '20', '--concurrent-replicaset-syncs', '20', '--concurrent-gc-syncs', '20'],
]

/** @param isQuick scores few nodes, and without the built-in spreading: five times as many pods per second of the processor */
export const schedulerFlags = (
  folder: string,
  ports: Ports,
  { certificateFile, keyFile }: Identity,
  kubeconfig: string,
  isQuick: boolean,
): readonly string[] => {
  const spreading = { name: 'PodTopologySpread', args: { defaultingType: 'List', defaultConstraints: [] } }
  const quick = {
    percentageOfNodesToScore: 5,
    profiles: [{ schedulerName: 'default-scheduler', pluginConfig: [spreading] }],
  }
  const file = join(folder, 'scheduler.json')
  const config = {
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    clientConnection: { kubeconfig, qps: QPS, burst: QPS },
    leaderElection: { leaderElect: false },
    ...(isQuick && quick),
  }
  writeFileSync(file, JSON.stringify(config))
  const bound = ['--bind-address', '127.0.0.1', '--secure-port', String(ports.scheduler)]
  return ['--config', file, ...bound, '--tls-cert-file', certificateFile, '--tls-private-key-file', keyFile, ...ALWAYS]
}

/** Nodes with this annotation keep the status that the test gives them. */
const OWN_STATUS = { 'kwok.x-k8s.io/status': 'custom' } as const
const PARALLEL = 16

/** @param stages kwok's own, as its module has them */
export const kwokFlags = (folder: string, stages: string, kubeconfig: string): readonly string[] => {
  const [[annotation, value]] = Object.entries(OWN_STATUS) as [[string, string]]
  const options = {
    podPlayStageParallelism: PARALLEL,
    nodePlayStageParallelism: PARALLEL,
    nodeLeaseParallelism: PARALLEL,
    disregardStatusWithAnnotationSelector: `${annotation}=${value}`,
  }
  const config = { apiVersion: 'config.kwok.x-k8s.io/v1alpha1', kind: 'KwokConfiguration', metadata: { name: 'kwok' }, options }
  const own = join(folder, 'stages')
  mkdirSync(own)
  writeFileSync(join(own, 'options.yaml'), JSON.stringify(config))
  for (const name of readdirSync(stages)) writeFileSync(join(own, name), delayed(readFileSync(join(stages, name), 'utf8')))
  cpSync(new URL('pod-ready-again.yaml', import.meta.url), join(own, 'pod-ready-again.yaml'))
  const files = readdirSync(own).flatMap((name) => ['--config', join(own, name)])
  return ['--kubeconfig', kubeconfig, '--manage-all-nodes', '--node-lease-duration-seconds', '40', ...files]
}

/** The stages of pods with a delay that a pod may ask for, as in `pod-delete.stage.kwok.x-k8s.io/delay: 4s`. */
const delayed = (stage: string): string => {
  const [, name] = /^ {2}name: (pod-ready|pod-delete)$/m.exec(stage) ?? []
  if (name === undefined) return stage
  const from = `.metadata.annotations["${name}.stage.kwok.x-k8s.io/delay"]`
  return stage.replace(/^ {2}next:$/m, `  delay:\n    durationFrom:\n      expressionFrom: '${from}'\n  next:`)
}
