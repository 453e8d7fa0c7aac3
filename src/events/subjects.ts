import type { Kind } from './kinds.ts'

/**
 * A name as one subject token: `.` becomes `_`, every other byte outside `[A-Za-z0-9-]` becomes `=XX`. Reversible, and
 * safe against names with blanks, `*` or `>`. The empty name is `=`.
 */
export const token = (name: string): string =>
  name === '' ? '=' : name.replace(/[^A-Za-z0-9-]/gu, (character) => (character === '.' ? '_' : escaped(character)))
const escaped = (character: string): string =>
  [...Buffer.from(character, 'utf8')].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')

/** The name that `token` encoded. */
export const untoken = (text: string): string =>
  text === '='
    ? ''
    : !/[_=]/.test(text)
      ? text
      : decodeURIComponent(
          text
            .replaceAll('_', '.')
            .replace(/%/g, '%25')
            .replace(/=([0-9A-F]{2})/g, '%$1'),
        )

/** A kind's subject is its group and resource, whatever version is served. */
type KindSubject = Pick<Kind, 'group' | 'resource' | 'namespace'>
const tokensOf = ({ group, resource }: KindSubject): string => `${group === '' ? 'core' : token(group)}.${token(resource)}`
const limit = ({ namespace }: KindSubject): string => (namespace === undefined ? '' : `.${token(namespace)}`)

/** What is published where (DESIGN: subjects). `cluster` is the cluster's id, `[a-z0-9-]+`. */
export const subjects = (cluster: string) => ({
  /** One object of the cluster, its last version; `namespace` is absent for cluster-scoped kinds. */
  object: (kind: KindSubject, namespace: string | undefined, name: string): string =>
    `qm.${cluster}.obj.${tokensOf(kind)}.${namespace === undefined ? '_' : token(namespace)}.${token(name)}`,
  objects: (kind: KindSubject): string => `qm.${cluster}.obj.${tokensOf(kind)}${limit(kind)}.>`,
  /** The state of one kind's stream: epoch, state, version, resourceVersion, observedAt, count, hash. */
  meta: (kind: KindSubject): string => `qm.${cluster}.meta.${tokensOf(kind)}${limit(kind)}`,
  /** Of HISTORY: `changes`, `marks`, and `frame.<id>`. */
  history: (what: string): string => `qm.${cluster}.hist.${what}`,
  journal: (type: string, id: string): string => `qm.${cluster}.journal.${type}.${token(id)}`,
  command: (type: string, verb: string, id?: string): string =>
    `qm.${cluster}.cmd.${type}.${verb}${id === undefined ? '' : `.${token(id)}`}`,
  call: (type: string, verb: string, id?: string): string =>
    `qm.${cluster}.call.${type}.${verb}${id === undefined ? '' : `.${token(id)}`}`,
  ask: (what: string): string => `qm.${cluster}.ask.${what}`,
  /** `type` is `<actor>.<Event>`. */
  event: (type: string): string => `qm.${cluster}.evt.${type}`,
})
