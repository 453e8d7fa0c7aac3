import { Failed, Gone, Refused, Unavailable } from '../../ports.ts'

const NO_ANSWER =
  /cluster unreachable|connection refused|connection reset|no route to host|i\/o timeout|TLS handshake timeout|unexpected EOF|etcdserver|too many requests|server is currently unable|ServiceUnavailable|InternalError|no such host/i
/**
 * Helm calls a cluster unreachable too that answers it with 403; of that answer it repeats nothing where it asks for the
 * version, which everybody may who is let in: then it is acting in another's name that is forbidden.
 */
const NO_IMPERSONATION = /cluster unreachable: unknown\s*$/im
const AT_WORK = /another operation \(install\/upgrade\/rollback\) is in progress|the object has been modified/i
/** Also of what has been begun: asked again it would be answered the same, and leave one more failed revision. */
const FORBIDDEN = /is forbidden: User "/
const BEGUN =
  /timed out|deadline exceeded|context canceled|not ready|UPGRADE FAILED|INSTALLATION FAILED|hooks? failed|rollback.*failed/i
const NOT_THERE = /release: not found/i
const MOST_CHARACTERS = 500

/**
 * What Helm's words of failure mean. @param secrets texts that must not be repeated
 * @param changes whether the command changes the release: then what is not understood may have been begun
 */
export const failureOf = (command: string, stderr: string, secrets: readonly string[], changes: boolean): Error => {
  const said = `helm ${command}: ${hidden(lastWords(stderr), secrets)}`
  if (NOT_THERE.test(stderr)) return new Gone(said)
  if (AT_WORK.test(stderr)) return new Unavailable(said)
  if (NO_IMPERSONATION.test(stderr))
    return new Refused(
      `${said}: the API server forbids to act in the name of the account that the policy names: "quartermaster charts rbac" makes it, and the right to`,
    )
  if (FORBIDDEN.test(stderr)) return new Refused(said)
  if (NO_ANSWER.test(stderr)) return new Unavailable(said)
  return changes && BEGUN.test(stderr) ? new Failed(said) : new Refused(said)
}

/** Its log lines come first, its error last. */
const lastWords = (stderr: string): string => {
  const lines = stderr.trim().split('\n')
  const from = lines.findLastIndex((line) => line.startsWith('Error:'))
  return lines
    .slice(Math.max(0, from))
    .join(' ')
    .replace(/^Error: /, '')
}

const LEAST_SECRET = 4
const hidden = (text: string, secrets: readonly string[]): string =>
  secrets
    .filter((secret) => secret.length >= LEAST_SECRET)
    .reduce((left, secret) => left.replaceAll(secret, '•••'), text)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal would obey them
    .replace(/[\x00-\x1f\x7f]/g, ' ')
    .slice(0, MOST_CHARACTERS)
