import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Wanted = {
  /** Lines of openssl's distinguished_name section; a prefix `1.` makes the same type a second time. */
  readonly subject?: readonly string[]
  /** As openssl writes subjectAltName: `DNS:a, IP:10.0.0.1`. */
  readonly names?: string
  /** Further lines of the extensions' section. */
  readonly extensions?: readonly string[]
  /** Lines of the attributes' section. */
  readonly attributes?: readonly string[]
  /** Arguments of `openssl genpkey`. */
  readonly key?: readonly string[]
  readonly stringMask?: string
}

const EC = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']

/** A real request for a certificate by openssl. @returns PEM of the request and of its key */
export const makePem = (wanted: Wanted): { readonly request: string; readonly key: string } => {
  const { subject = ['O=system:nodes', 'CN=system:node:gke-a-cast-pool-1'], names, extensions = [], attributes = [] } = wanted
  const folder = mkdtempSync(join(tmpdir(), 'qm-pem-'))
  const [key, request, config] = [join(folder, 'key'), join(folder, 'request'), join(folder, 'config')]
  const extended = [...extensions, ...(names === undefined ? [] : [`subjectAltName=${names}`])]
  const lines = [
    ...['[req]', 'prompt=no', 'distinguished_name=dn', `string_mask=${wanted.stringMask ?? 'utf8only'}`],
    ...(extended.length > 0 ? ['req_extensions=ext'] : []),
    ...(attributes.length > 0 ? ['attributes=attr'] : []),
    ...['[dn]', ...subject, '[ext]', ...extended, '[attr]', ...attributes, '[other]', 'CN=somebody'],
  ]
  try {
    writeFileSync(config, `${lines.join('\n')}\n`)
    openssl(['genpkey', ...(wanted.key ?? EC), '-out', key])
    openssl(['req', '-new', '-config', config, '-key', key, '-out', request])
    return { request: readFileSync(request, 'utf8'), key: readFileSync(key, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const openssl = (args: readonly string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' })

const LABEL = 'CERTIFICATE REQUEST'
export const derOf = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
export const pemOf = (der: Buffer, label = LABEL): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`
