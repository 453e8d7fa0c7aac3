import { readFile } from 'node:fs/promises'
import type { KubeConfig } from '@kubernetes/client-node'

/** What one connection needs: TLS material (PEM) and the headers that say who we are. */
export type Credentials = {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly passphrase?: string
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
  readonly headers: Readonly<Record<string, string>>
}

/** Where a cluster's API is, and how to get credentials for it; `credentials` is asked again when they may have run out. */
export type Access = {
  readonly server: string
  readonly credentials: () => Promise<Credentials>
  /** Whether answers are sent as they are: within a cluster compressing a list takes longer than sending it. */
  readonly isNear?: boolean
}

/** Access with fixed credentials. `ca`, `cert` and `key` are PEM texts. */
export const fixedAccess = (given: {
  readonly server: string
  readonly token?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly isNear?: boolean
}): Access => {
  const { server, token, isNear = false, ...tls } = given
  return { server, isNear, credentials: async () => ({ ...tls, headers: bearer(token) }) }
}

const bearer = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` }

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * The pod's own service account. Token and CA are read from disk each time they are asked for: the kubelet rotates them.
 * @throws Error outside a cluster
 */
export const inCluster = (env: NodeJS.ProcessEnv = process.env, folder = SERVICE_ACCOUNT): Access => {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  if (!host || !port)
    throw new Error('not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; give a kubeconfig')
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    isNear: true,
    credentials: async () => ({
      ca: await readFile(`${folder}/ca.crt`),
      headers: bearer((await readFile(`${folder}/token`, 'utf8')).trim()),
    }),
  }
}

/** Access by one context of a kubeconfig, and the names of all there are. */
export type KubeconfigAccess = Access & { readonly context: string; readonly contexts: readonly string[] }

/**
 * Access as a kubeconfig describes it, exec plugins included. Client-node is loaded here and not at the top: it costs
 * 88 MB of memory, which an agent in a pod does not need to pay. Over plain HTTP no credentials are sent, as kubectl does
 * it; client-node itself refuses such a server.
 * @param file path of the kubeconfig; without one, KUBECONFIG or the user's default
 * @param context one of its contexts; without one, its current
 * @throws Error naming the file, and the contexts there are, when it cannot be read or has no such context
 */
export const fromKubeconfig = async (file?: string, context?: string): Promise<KubeconfigAccess> => {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  const name = `the kubeconfig ${file ?? '(default)'}`
  try {
    if (file === undefined) config.loadFromDefault()
    else config.loadFromFile(file)
  } catch (error) {
    throw new Error(`${name} cannot be read: ${String(error)}`, { cause: error })
  }
  if (context !== undefined) config.setCurrentContext(context)
  const cluster = config.getCurrentCluster()
  if (!cluster) throw new Error(`${name} ${lacking(config)}`)
  const server = cluster.server.replace(/\/+$/, '')
  return {
    server,
    context: config.getCurrentContext(),
    contexts: config.getContexts().map((each) => each.name),
    credentials: server.startsWith('http:') ? async () => ({ headers: {} }) : () => credentialsOf(config),
  }
}

/** Why its current context leads nowhere. */
const lacking = (config: KubeConfig): string => {
  const contexts = config.getContexts().map(({ name }) => name)
  const known = contexts.length === 0 ? 'it has none' : `it knows ${contexts.join(', ')}`
  const current = config.getCurrentContext() as string | undefined
  if (!current) return `has no current context: choose one with --context; ${known}`
  if (!contexts.includes(current)) return `has no context "${current}"; ${known}`
  return `has no cluster for its context "${current}"; ${known}`
}

type Options = Parameters<KubeConfig['applyToHTTPSOptions']>[0] & { readonly auth?: string }

const credentialsOf = async (config: KubeConfig): Promise<Credentials> => {
  const options = { headers: {} } as Options
  await config.applyToHTTPSOptions(options)
  const { ca, cert, key, passphrase, rejectUnauthorized, auth } = options as Credentials & Options
  const servername = (options as { servername?: string }).servername
  const basic = auth === undefined ? {} : { authorization: `Basic ${Buffer.from(auth).toString('base64')}` }
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    headers: { ...(options.headers as Record<string, string>), ...basic },
  }
}
