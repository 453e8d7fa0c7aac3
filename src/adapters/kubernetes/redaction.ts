import { cluster } from './redaction/cluster.ts'
import { custom } from './redaction/custom.ts'
import { devices } from './redaction/devices.ts'
import { network } from './redaction/network.ts'
import { objectMeta } from './redaction/pods.ts'
import { compiled, type Fields, type Note } from './redaction/rule.ts'
import { storage } from './redaction/storage.ts'
import { workloads } from './redaction/workloads.ts'

/** The allow-list: of each kind, named as kubectl names it (`deployments.apps`), what is kept beside its metadata. */
export const allowList: Readonly<Record<string, Fields>> = {
  ...cluster,
  ...workloads,
  ...network,
  ...storage,
  ...devices,
  ...custom,
}

/** Which kind: its resource, and its group ('' is the core group). */
export type GroupResource = { readonly group: string; readonly resource: string }

/** What is kept of a kind: of one that the allow-list does not name, the metadata. */
export const ruleOf = ({ group, resource }: GroupResource): Fields => {
  const name = group === '' ? resource : `${resource}.${group}`
  return { apiVersion: 'text', kind: 'text', metadata: objectMeta, ...(Object.hasOwn(allowList, name) ? allowList[name] : {}) }
}

const walks = new Map<string, ReturnType<typeof compiled>>()

const walkOf = (kind: GroupResource): ReturnType<typeof compiled> => {
  const name = `${kind.resource}.${kind.group}`
  const known = walks.get(name)
  if (known) return known
  const walk = compiled(ruleOf(kind))
  walks.set(name, walk)
  return walk
}

/**
 * What may leave the cluster's API of an object: the fields that the allow-list names for its kind, of a kind that it does
 * not name the metadata alone, and of a Secret nothing. The object itself stays as it was; nothing of it is shared that
 * could be changed.
 * @param note hears what became of every value, by path
 * @returns undefined for a Secret; for what is no object the marker, which no schema takes for one
 */
export const redacted = (kind: GroupResource, raw: unknown, note?: Note): unknown => {
  if (kind.group === '' && kind.resource === 'secrets') return undefined
  return walkOf(kind)(raw, note)
}
