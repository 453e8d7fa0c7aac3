import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How Helm reaches the cluster: PEM texts and a bearer token. */
export type Entry = {
  readonly server: string
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly token?: string | undefined
  readonly serverName?: string | undefined
  readonly insecure?: boolean | undefined
}

const base64 = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : Buffer.from(text).toString('base64')

const defined = (fields: Readonly<Record<string, unknown>>): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

/** @param as in whose name it acts; undefined: in its own */
const kubeconfig = (entry: Entry, as: string | undefined): object => ({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'cluster',
  clusters: [
    {
      name: 'cluster',
      cluster: defined({
        server: entry.server,
        'certificate-authority-data': base64(entry.ca),
        'tls-server-name': entry.serverName,
        'insecure-skip-tls-verify': entry.insecure,
      }),
    },
  ],
  users: [
    {
      name: 'user',
      user: defined({
        token: entry.token,
        'client-certificate-data': base64(entry.cert),
        'client-key-data': base64(entry.key),
        as,
      }),
    },
  ],
  contexts: [{ name: 'cluster', context: { cluster: 'cluster', user: 'user' } }],
})

/** What Helm may take of our environment: how to reach the network, and the logins of registries. */
const TAKEN = [
  'PATH',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'HELM_REGISTRY_CONFIG',
]

export type Workplace = {
  /** For us alone (0700), with a kubeconfig in it (0600). */
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
}

/** Calls with a folder of its own, in which Helm finds nothing of the user's: no plugins, no repositories. It goes afterwards. */
export const inWorkplace = async <T>(
  entry: Entry,
  as: string | undefined,
  work: (place: Workplace) => Promise<T>,
): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'quartermaster-helm-'))
  try {
    const config = join(folder, 'kubeconfig')
    await writeFile(config, JSON.stringify(kubeconfig(entry, as)), { mode: 0o600 })
    const taken = TAKEN.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
    const own = Object.fromEntries(['CACHE', 'CONFIG', 'DATA'].map((kind) => [`HELM_${kind}_HOME`, join(folder, kind)]))
    return await work({ folder, env: { ...Object.fromEntries(taken), ...own, HOME: folder, KUBECONFIG: config } })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
