import { MARKER, scrubbed } from './secrets.ts'

/** A word as people choose them for names of flags and paths, camelCase at most; base64 and random letters are none. */
const WORD = '[A-Z]?[a-z]{1,20}(?:[A-Z][a-z]{1,20}){0,3}[0-9]{0,3}'
const FLAG = new RegExp(`^--${WORD}(?:[-_.]${WORD}){0,8}$`)
const PATH = new RegExp(`^(?:/(?:\\.?${WORD}(?:[-_.]${WORD}){0,4})?){1,6}$`)
const BOOLEAN = /^(?:true|false)$/i

/**
 * The flags of the control plane whose values the CIS benchmark asks for, and which are modes, addresses, durations and
 * names of files. What a file holds is never read.
 */
export const KEPT_FLAGS: ReadonlySet<string> = new Set(
  [
    'anonymous-auth profiling authorization-mode token-auth-file kubelet-https kubelet-client-certificate kubelet-client-key',
    'kubelet-certificate-authority enable-admission-plugins disable-admission-plugins secure-port insecure-port bind-address',
    'insecure-bind-address audit-log-path audit-log-maxage audit-log-maxbackup audit-log-maxsize audit-policy-file',
    'request-timeout service-account-lookup service-account-key-file service-account-private-key-file etcd-certfile',
    'etcd-keyfile etcd-cafile tls-cert-file tls-private-key-file tls-min-version tls-cipher-suites client-ca-file root-ca-file',
    'encryption-provider-config terminated-pod-gc-threshold use-service-account-credentials feature-gates cert-file key-file',
    'client-cert-auth auto-tls peer-cert-file peer-key-file peer-client-cert-auth peer-auto-tls trusted-ca-file peer-trusted-ca-file',
    'data-dir service-account-extend-token-expiration',
  ].flatMap((line) => line.split(' ')),
)

/** The value of an environment variable: only what carries one bit or nothing stays. */
export const environment = (value: string): string => (value === '' || BOOLEAN.test(value) ? value : MARKER)

/**
 * One word of a command: the name of a long flag stays (`--password` tells nothing), of a short one its letter; a value
 * only if it is a Boolean, or of a known flag. Everything else, a value behind its flag too, is hidden.
 */
export const argument = (word: string): string => {
  const [name = '', ...rest] = word.split('=')
  if (FLAG.test(name)) return rest.length === 0 ? name : `${name}=${flagValue(name.slice(2), rest.join('='))}`
  if (word === '--' || word === '') return word
  return /^-[A-Za-z]/.test(word) ? `${word.slice(0, 2)}${word.length > 2 ? MARKER : ''}` : MARKER
}

const flagValue = (flag: string, value: string): string =>
  KEPT_FLAGS.has(flag) ? scrubbed(value) : value === '' || BOOLEAN.test(value) ? value : MARKER

/** The path of an HTTP request: what is not made of words (a token, a query) is hidden. */
export const requestPath = (path: string): string => (PATH.test(path) ? path : MARKER)

const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[A-Za-z0-9.:[\]-]+/i

/** Of a URL the scheme, host and port; its path may be the secret (as those of chat webhooks are). */
export const origin = (url: string): string => {
  const found = ORIGIN.exec(url.replace(/:\/\/\S*@/, '://'))?.[0]
  return found === undefined ? MARKER : found === url ? url : `${found}/${MARKER}`
}

/** The kubelet's own words about an eviction for memory; every other message of an event is free text, and hidden. */
export const eventMessage = (message: string): string =>
  message.length <= 1_024 && /^The node was low on resource: [a-z-]+\. [\w .,:;-]*$/.test(message) ? scrubbed(message) : MARKER
