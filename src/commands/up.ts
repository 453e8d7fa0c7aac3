import { join } from 'node:path'
import { styleText } from 'node:util'
import { type Command, InvalidArgumentError } from 'commander'
import { connect, type NatsConnection } from 'nats'
import { OBJECTS_ACCOUNT } from '../actors/controller/guard-account.ts'
import { listenAddress, METRICS_ADDRESS } from '../adapters/http/address.ts'
import { findNatsServer } from '../adapters/nats-server/find.ts'
import { type NatsServer, startNatsServer } from '../adapters/nats-server/start.ts'
import { CertificatePolicy } from '../events/certificates.ts'
import { ChartPolicy } from '../events/charts.ts'
import type { KindOptions } from '../events/kinds.ts'
import { Policy } from '../events/plan.ts'
import type { Log } from '../runtime/ground.ts'
import { readGuard } from './guard.ts'
import { type Connection, DEMO, homeFolder, removeConnection, systemFolder, writeConnection } from './home.ts'
import { askedPrices, DISCOUNT_HELP, PRICES_HELP, type PriceOptions, readPrices } from './prices.ts'
import { connectionOptions, UserError } from './session.ts'
import { settings } from './settings.ts'
import { dollars } from './table.ts'
import { connectFirst, followEvents, stayObserving } from './up/beginning.ts'
import { createLog } from './up/log.ts'
import { livingSummary } from './up/summary.ts'
import { startSystem } from './up/system.ts'
import type { Vitals } from './up/vitals.ts'
import { clusterIdOf, openWorld, realCluster, type World, type WorldOptions } from './up/world.ts'

type Options = WorldOptions &
  PriceOptions & {
    readonly policy?: string
    readonly cluster?: string
    readonly acceptLoss?: true
    readonly configMaps?: readonly string[]
    readonly emptyReplicaSets?: true
    readonly guard?: string
    readonly approveCsr?: string
    readonly charts?: string
    /** An address, or `true` where none was given. */
    readonly metrics?: string | true
  }
type Nats = {
  readonly url: string
  /** The operator's, for the other commands. */
  readonly seedFile?: string | undefined
  /** The actors' own. */
  readonly systemSeedFile?: string | undefined
  readonly alone: boolean
  stop(): Promise<void>
}

const wholeNumber = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('It has to be a whole number above zero.')
  return Number(text)
}

/** `up`: everything in one process tree: NATS, the actors, and a simulated cluster unless a kubeconfig is given. */
export const upCommand = (program: Command): void => {
  program
    .command('up')
    .description('run everything in one process: NATS, the actors and, without --kubeconfig, a simulated cluster')
    .option('--kubeconfig <file>', 'a real cluster instead of the simulated one: it is only observed')
    .option('--context <name>', 'which context of the kubeconfig, instead of its current one')
    .option('--allow-writes', 'lets "promote" drain and remove nodes of the real cluster')
    .option('--policy <file>', 'what the evictor may do: a JSON file, see docs/policy.md')
    .option('--prices <file>', PRICES_HELP)
    .option('--discount <percent>', DISCOUNT_HELP)
    .option('--removal <file>', 'how machines of the real cluster are removed: cloud, webhook, Node objects alone (JSON)')
    .option('--trace <name>', 'what the simulated cluster is made of', 'openb')
    .option('--nodes <count>', 'only so many nodes of the trace', wholeNumber)
    .option('--seed <number>', 'what in the simulated cluster is chosen by chance', wholeNumber, 1)
    .option(
      '--cluster <id>',
      `the cluster id in every subject: a-z, 0-9 and - (default: ${DEMO}, or by the kubeconfig's context)`,
    )
    .option('--config-maps <namespace...>', 'read the ConfigMaps of these namespaces too, redacted (default: of none)')
    .option('--empty-replica-sets', 'keep the old, empty ReplicaSets of Deployments too')
    .option('--guard <file>', 'what may be ordered of the controller: a JSON file, see docs/guard.md')
    .option(
      '--approve-csr <file>',
      "approve kubelets' requests for certificates by this policy: {} means GKE's names (docs/certificates.md)",
    )
    .option('--charts <file>', 'install, upgrade and roll back Helm charts as this policy allows (docs/charts.md)')
    .option('--accept-loss', 'go on although the journal has lost acknowledged records (it is said which)')
    .option(
      '--metrics [address]',
      'serve /metrics, /healthz and /readyz: HOST:PORT, or a port of this machine alone (without an address: 127.0.0.1:9464)',
    )
    .addHelpText(
      'after',
      '\nData, logs and the connection file are kept under QUARTERMASTER_HOME. A real cluster is only observed, unless --allow-writes is given. NATS_URL uses a NATS that runs already.\n\nExamples:\n  $ quartermaster up\n  $ quartermaster up --nodes 100\n  $ quartermaster up --kubeconfig ~/.kube/config --context staging --cluster staging',
    )
    .action(up)
}

const up = async (options: Options): Promise<void> => {
  const kinds = kindOptions(options)
  const guard = options.guard === undefined ? undefined : readGuard(options.guard)
  const approveCsr =
    options.approveCsr === undefined
      ? undefined
      : settings(CertificatePolicy, options.approveCsr, 'see docs/certificates.md for --approve-csr')
  const charts =
    options.charts === undefined ? undefined : settings(ChartPolicy, options.charts, 'see docs/charts.md for --charts')
  const ownPolicy = options.policy === undefined ? undefined : settings(Policy, options.policy, 'see docs/policy.md for --policy')
  const prices = readPrices(options, 'up')
  await askedPrices(prices) // who can't be asked is said before anything begins
  const real = await realCluster(options)
  const cluster = idOf(options, real)
  const home = systemFolder(homeFolder(), cluster)
  const startedAt = performance.now()
  const isTerminal = process.stdout.isTTY
  const log = createLog(home, isTerminal)
  await using started = new AsyncDisposableStack()
  const vitals = started.adopt(await openVitals(options, log), (opened) => opened?.stop())
  const nats = started.adopt(await startNats(home, log), ({ stop }) => stop())
  const world = started.adopt(await openWorld(home, real, options), ({ stop }) => stop())
  const { access, context, policy, removal, mayWrite } = world
  const system = started.adopt(
    await startSystem({
      nats: connectionOptions(nats.url, nats.systemSeedFile),
      seedFile: nats.systemSeedFile,
      cluster,
      access,
      context,
      mayWrite,
      policy: ownPolicy ?? policy,
      prices,
      removal,
      kinds,
      guard,
      objectsAccount: real && OBJECTS_ACCOUNT,
      approveCsr,
      charts,
      log,
      alone: nats.alone,
      acceptLoss: options.acceptLoss === true,
      vitals,
    }),
    ({ stop }) => stop(),
  )
  started.adopt(tellOthers(home, nats, { cluster, context }), (connection) => removeConnection(home, connection))
  const summary = isTerminal ? livingSummary(process.stdout, system.status, hintOf(cluster)) : undefined
  announce(nats, world, cluster, vitals?.url)
  followEvents(system, cluster, (event, fact) => {
    if (summary) summary.add(event)
    else log[levelOf(fact, event.data)]({ fact, ...event.data }, sentenceOf(fact, event.data, startedAt))
  })
  await withOperator(nats, (nc) => connectFirst({ nc, host: system.host }, cluster))
  const life = new AbortController()
  started.defer(() => life.abort())
  if (!mayWrite) void stayObserving(system.host, cluster, (work) => withOperator(nats, work), log, life.signal)
  const signal = await interrupted()
  summary?.stop()
  log.info({ signal }, 'stopping')
}

/** @throws UserError when a namespace can be none */
const kindOptions = ({ configMaps = [], emptyReplicaSets }: Options): KindOptions => {
  const wrong = configMaps.find((name) => !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
  if (wrong !== undefined) throw new UserError(`--config-maps ${wrong}: this can not be the name of a namespace`)
  return { configMapNamespaces: [...new Set(configMaps)], emptyReplicaSets: emptyReplicaSets === true }
}

/** @throws UserError when it can be no cluster's id */
const idOf = ({ cluster }: Options, real: { readonly context: string } | undefined): string => {
  const id = cluster ?? (real ? clusterIdOf(real.context) : DEMO)
  if (/^[a-z0-9-]+$/.test(id)) return id
  throw new UserError(`--cluster ${id}: use a-z, 0-9 and - only, as it is part of every subject`)
}

/** Writes the connection file, by which the other commands find this system. */
const tellOthers = (home: string, { url, seedFile }: Nats, place: Pick<Connection, 'cluster' | 'context'>): Connection => {
  const whose = { ...place, pid: process.pid, startedAt: Date.now() }
  const connection = { url, ...whose, ...(seedFile !== undefined && { seedFile }) }
  writeConnection(home, connection)
  return connection
}

/** Nothing listens unless somebody asks for it. */
const openVitals = async ({ metrics }: Options, log: Log): Promise<Vitals | undefined> => {
  if (metrics === undefined) return undefined
  const { startVitals } = await import('./up/vitals.ts') // 30 ms that most starts need not pay
  try {
    return await startVitals(metrics === true ? METRICS_ADDRESS : listenAddress(metrics), log)
  } catch (error) {
    throw new UserError((error as Error).message)
  }
}

/** Whoever starts it commands it, by the same way as everybody else. */
const withOperator = async ({ url, seedFile }: Nats, work: (nc: NatsConnection) => Promise<void>): Promise<void> => {
  const nc = await connect({ ...connectionOptions(url, seedFile), name: 'quartermaster-up' })
  try {
    await work(nc)
  } finally {
    await nc.close()
  }
}

const interrupted = (): Promise<string> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
  })

const startNats = async (home: string, log: Log): Promise<Nats> => {
  const url = process.env['NATS_URL']
  const seedFile = process.env['NATS_NKEY']
  if (url !== undefined) return { url, seedFile, systemSeedFile: seedFile, alone: false, stop: async () => {} }
  const binary = await findNatsServer({ onProgress: (message) => process.stderr.write(`${message}\n`) })
  const server: NatsServer = await startNatsServer({
    binary: binary.path,
    storeFolder: join(home, 'nats'),
    name: 'quartermaster',
    onProgress: (message) => log.warn({}, message),
  })
  const { seedFile: operators, systemSeedFile } = server
  return { url: server.url, seedFile: operators, systemSeedFile, alone: true, stop: server.stop }
}

const hintOf = (cluster: string): string =>
  styleText(
    'dim',
    `In a second terminal: npx quartermaster promote | demote | hold | watch | why node/NAME   (cluster ${cluster}; Ctrl-C stops)`,
  )

const announce = ({ url, seedFile }: Nats, { name }: World, cluster: string, vitals: string | undefined): void => {
  const key = seedFile === undefined ? '' : ` --nkey '${seedFile}'`
  process.stdout.write(
    `Kubernetes  ${name}\nNATS        ${url}${seedFile === undefined ? '' : `  (credentials: ${seedFile})`}\nSubscribe   nats --server ${url}${key} sub 'qm.${cluster}.evt.>'\n${vitals === undefined ? '' : `Metrics     ${vitals}/metrics  (${vitals}/readyz, ${vitals}/healthz)\n`}\n`,
  )
}

/** What is not served is no trouble; what is refused is one that somebody can mend. */
const levelOf = (fact: string, data: Readonly<Record<string, unknown>>): 'info' | 'warn' =>
  fact === 'agent.KindUnavailable' && data['why'] !== 'absent' ? 'warn' : 'info'

/** A log line's message: the fact in words where words say more. */
const sentenceOf = (fact: string, data: Readonly<Record<string, unknown>>, startedAt: number): string => {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  if (fact === 'agent.SnapshotTaken') {
    const { nodes, pods } = data['counts'] as { nodes: number; pods: number }
    return `observing ${nodes.toLocaleString('en-US')} nodes and ${pods.toLocaleString('en-US')} pods, ${seconds} s after the start`
  }
  if (fact === 'agent.KindsAbsent') {
    const { length } = data['resources'] as readonly string[]
    return `${length} kinds are not served here, so not watched: "quartermaster status" names them`
  }
  if (fact === 'agent.KindUnavailable') return `${data['resource']} can't be read: ${data['reason']}`
  if (fact === 'evictor.PlanMade')
    return `automation would go from ${data['nodes']} nodes at ${dollars(Number(data['hourlyCost']))} to ${data['nodesAfter']} at ${dollars(Number(data['hourlyCostAfter']))}`
  return fact
}
