import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Who may ask the API server. `nobody` is known and may do nothing: the test binds what it needs. */
export type User = 'admin' | 'nobody' | 'controller-manager' | 'scheduler' | 'kwok'
const GROUPS: Readonly<Record<User, { readonly name: string; readonly groups: string }>> = {
  admin: { name: 'admin', groups: 'system:masters' },
  nobody: { name: 'nobody', groups: '' },
  'controller-manager': { name: 'system:kube-controller-manager', groups: 'system:masters' },
  scheduler: { name: 'system:kube-scheduler', groups: '' },
  kwok: { name: 'kwok', groups: 'system:masters' },
}

export type Identity = {
  readonly certificateFile: string
  readonly keyFile: string
  readonly tokensFile: string
  /** PEM of the certificate, which is its own authority. */
  readonly ca: string
  readonly tokens: Readonly<Record<User, string>>
}

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/**
 * One certificate for everything: the API server's own, who signs for clients, who signs requests; its key signs the
 * tokens of service accounts. And a file of tokens, read once by the API server.
 */
export const makeIdentity = (folder: string): Identity => {
  const [certificateFile, keyFile, tokensFile] = ['ca.crt', 'ca.key', 'tokens.csv'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const names = 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc'
  const args = ['req', '-x509', ...EC_KEY, '-days', '2']
  openssl([...args, '-subj', '/CN=quartermaster-test', '-addext', names, '-keyout', keyFile, '-out', certificateFile])
  const users = Object.keys(GROUPS) as User[]
  const tokens = Object.fromEntries(users.map((user) => [user, randomBytes(16).toString('hex')])) as Record<User, string>
  const lines = users.map((user) => `${tokens[user]},${GROUPS[user].name},${user},"${GROUPS[user].groups}"\n`)
  writeFileSync(tokensFile, lines.join(''), { mode: 0o600 })
  return { certificateFile, keyFile, tokensFile, ca: readFileSync(certificateFile, 'utf8'), tokens }
}

/** @throws Error when there is no openssl, or it refuses */
const openssl = (args: readonly string[]): void => {
  try {
    execFileSync('openssl', args, { stdio: 'pipe' })
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { readonly stderr?: Buffer }
    if (code === 'ENOENT')
      throw new Error('there is no openssl on PATH, which makes the certificates: install it', { cause: error })
    throw new Error(`openssl ${args[0]} fails: ${stderr}`, { cause: error })
  }
}

/** A kubeconfig (JSON is YAML) of one user, with one context. @returns its path */
export const writeKubeconfig = (folder: string, { tokens, certificateFile }: Identity, user: User, server: string): string => {
  const file = join(folder, `${user}.kubeconfig`)
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'control-plane', cluster: { server, 'certificate-authority': certificateFile } }],
    users: [{ name: user, user: { token: tokens[user] } }],
    contexts: [{ name: 'test', context: { cluster: 'control-plane', user } }],
  }
  writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 })
  return file
}

/** A key and a request for a certificate (PEM, both) in the name of `/CN=…`. */
export const makeRequest = (subject: string): { readonly key: string; readonly request: string } => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-request-'))
  try {
    const [keyFile, file] = [join(folder, 'key'), join(folder, 'request')]
    openssl(['req', '-new', ...EC_KEY, '-subj', subject, '-keyout', keyFile, '-out', file])
    return { key: readFileSync(keyFile, 'utf8'), request: readFileSync(file, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
