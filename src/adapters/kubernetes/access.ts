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
export type Access = { readonly server: string; readonly credentials: () => Promise<Credentials> }

/** Access with fixed credentials. `ca`, `cert` and `key` are PEM texts. */
export const fixedAccess = (given: {
  readonly server: string
  readonly token?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}): Access => {
  const { server, token, ...tls } = given
  return { server, credentials: async () => ({ ...tls, headers: bearer(token) }) }
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
    credentials: async () => ({
      ca: await readFile(`${folder}/ca.crt`),
      headers: bearer((await readFile(`${folder}/token`, 'utf8')).trim()),
    }),
  }
}

/**
 * Access as a kubeconfig describes it, exec plugins included. Client-node is loaded here and not at the top: it costs
 * 88 MB of memory, which an agent in a pod does not need to pay.
 * @param file path of the kubeconfig; without one, KUBECONFIG or the user's default
 * @throws Error naming the file when it cannot be read or has no such context
 */
export const fromKubeconfig = async (file?: string, context?: string): Promise<Access> => {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  try {
    if (file === undefined) config.loadFromDefault()
    else config.loadFromFile(file)
    if (context !== undefined) config.setCurrentContext(context)
  } catch (error) {
    throw new Error(`the kubeconfig ${file ?? '(default)'} cannot be read: ${String(error)}`, { cause: error })
  }
  const cluster = config.getCurrentCluster()
  if (!cluster)
    throw new Error(
      `the kubeconfig ${file ?? '(default)'} has no cluster for the context ${config.getCurrentContext()}; it knows ${config
        .getContexts()
        .map(({ name }) => name)
        .join(', ')}`,
    )
  return { server: cluster.server.replace(/\/+$/, ''), credentials: () => credentialsOf(config) }
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
