import { mkdtempSync, realpathSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, client } from '../kubernetes-client.ts'
import type { Binaries } from './binaries.ts'
import { apiServerFlags, controllerFlags, etcdFlags, kwokFlags, type Ports, schedulerFlags } from './flags.ts'
import { type Identity, makeIdentity, type User, writeKubeconfig } from './identity.ts'
import { type Daemon, PortTaken, type Programs, programsIn } from './programs.ts'

export type ControlPlaneOptions = {
  readonly binaries: Binaries
  /** Default: true. The scheduler scores few nodes and does not spread by itself. */
  readonly quickScheduler?: boolean
  /** Seconds without a heartbeat until a node is not ready. Default: 120, more than a busy machine is ever late. */
  readonly nodeGraceSeconds?: number
}

export type ControlPlane = {
  readonly url: string
  /** The administrator's. */
  readonly token: string
  /** PEM. */
  readonly ca: string
  /** As the administrator. */
  readonly api: Client
  tokenOf(user: User): string
  /** A client with a certificate that the cluster signed (PEM). */
  withCertificate(cert: string, key: string): Client
  /** A kubeconfig file with one context, `test`. @returns its path */
  kubeconfig(user: User): string
  /** The program's path. */
  readonly kubectl: string
  /** Kills a program without warning and starts it again; resolves when the API server answers. */
  restart(program: Daemon): Promise<void>
  /** SIGKILL, as if it had failed: it is started again. */
  crash(program: Daemon): void
  /** SIGSTOP, until it is thawed. */
  freeze(program: Daemon): void
  thaw(program: Daemon): void
  /** Removes every old version from etcd. The API server answers from its own memory of them until it is restarted. */
  compact(): Promise<void>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const TRIES = 3

/**
 * A Kubernetes control plane of its own on loopback, with kwok in the place of kubelets: ready when pods can be made and
 * scheduled. It ends with this process, also when that is killed with -9.
 * @throws Error with the last words of the program that did not start; what was started before is ended
 */
export const startControlPlane = async (options: ControlPlaneOptions): Promise<ControlPlane> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt(options)
    } catch (error) {
      // Between finding a free port and listening on it another process can take it.
      if (tries >= TRIES || !(error instanceof PortTaken)) throw error
    }
  }
}

const attempt = async ({ binaries, quickScheduler = true, nodeGraceSeconds = 120 }: ControlPlaneOptions) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'qm-control-plane-')))
  const [identity, ports] = [makeIdentity(folder), await freePorts()]
  const url = `https://127.0.0.1:${ports.api}`
  const kubeconfig = (user: User): string => writeKubeconfig(folder, identity, user, url)
  const programs = programsIn(folder, binaries, {
    etcd: () => etcdFlags(folder, ports),
    'kube-apiserver': () => apiServerFlags(ports, identity),
    'kube-controller-manager': () => controllerFlags(folder, ports, identity, kubeconfig('controller-manager'), nodeGraceSeconds),
    'kube-scheduler': () => schedulerFlags(folder, ports, identity, kubeconfig('scheduler'), quickScheduler),
    kwok: () => kwokFlags(folder, binaries.stages, kubeconfig('kwok')),
  })
  const api = client({ url, token: identity.tokens.admin, ca: identity.ca })
  try {
    await begin(programs, api, identity, ports)
  } catch (error) {
    await Promise.all([api.close(), programs.end()])
    throw error
  }
  return controlPlane({ url, identity, ports, programs, api, kubeconfig, kubectl: binaries.programs.kubectl })
}

const begin = async (programs: Programs, api: Client, { tokens, ca }: Identity, ports: Ports): Promise<void> => {
  programs.begin('etcd')
  programs.begin('kube-apiserver')
  await programs.ready('the API server was ready', () => answers(api, '/readyz'))
  for (const name of ['kube-controller-manager', 'kube-scheduler', 'kwok'] as const) programs.begin(name)
  // The account is the work of the controllers, so they live; and in its namespace pods can be made.
  await programs.ready('the controllers worked', () => answers(api, '/api/v1/namespaces/default/serviceaccounts/default'))
  const scheduler = client({ url: `https://127.0.0.1:${ports.scheduler}`, token: tokens.admin, ca })
  await programs.ready('the scheduler was ready', () => answers(scheduler, '/readyz'))
  await scheduler.close()
  programs.supervise()
}

const answers = async (api: Client, path: string): Promise<boolean> =>
  api.get(path).then(
    ({ status }) => status === 200,
    () => false, // not listening yet
  )

type Parts = Pick<ControlPlane, 'url' | 'api' | 'kubeconfig' | 'kubectl'> & {
  readonly identity: Identity
  readonly ports: Ports
  readonly programs: Programs
}

const controlPlane = ({ url, identity, ports, programs, api, kubeconfig, kubectl }: Parts): ControlPlane => {
  const { ca, tokens } = identity
  const clients = [api]
  const kept = (one: Client): Client => {
    clients.push(one)
    return one
  }
  const stop = async (): Promise<void> => {
    await Promise.all(clients.map((one) => one.close()))
    await programs.end()
  }
  return {
    url,
    token: tokens.admin,
    ca,
    api,
    tokenOf: (user) => tokens[user],
    withCertificate: (cert, key) => kept(client({ url, token: '', ca }, { cert, key })),
    kubeconfig,
    kubectl,
    restart: async (name) => {
      await programs.restart(name)
      await programs.ready(`${name} was ready again`, () => answers(api, '/readyz'))
    },
    crash: (name) => programs.signal(name, 'SIGKILL'),
    freeze: (name) => programs.signal(name, 'SIGSTOP'),
    thaw: (name) => programs.signal(name, 'SIGCONT'),
    compact: () => compact(api, ports),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const freePorts = async (): Promise<Ports> => {
  const servers = await Promise.all(Array.from({ length: 5 }, listening))
  const [etcd = 0, peer = 0, api = 0, controllers = 0, scheduler = 0] = servers.map(({ port }) => port)
  await Promise.all(servers.map(({ close }) => close()))
  return { etcd, peer, api, controllers, scheduler }
}

const listening = async (): Promise<{ readonly port: number; close(): Promise<unknown> }> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { readonly port: number }
  return { port, close: () => new Promise((resolve) => server.close(resolve)) }
}

const compact = async (api: Client, { etcd }: Ports): Promise<void> => {
  const { resourceVersion } = (await api.get('/api/v1/namespaces?limit=1')).body.metadata
  const response = await fetch(`http://127.0.0.1:${etcd}/v3/kv/compaction`, {
    method: 'POST',
    body: JSON.stringify({ revision: resourceVersion, physical: true }),
  })
  if (!response.ok) throw new Error(`etcd does not compact: ${response.status} ${await response.text()}`)
}
