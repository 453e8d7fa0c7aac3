import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { type RbacObject, rbacObject } from '../../events/rbac.ts'
import { Refused } from '../../ports.ts'

const GROUPS = /^(rbac\.authorization\.k8s\.io|authorization\.openshift\.io)\//
const KINDS: ReadonlySet<string> = new Set(['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding'])
const MOST_DEPTH = 8

const Typed = z.object({ apiVersion: z.string().min(1), kind: z.string().min(1), items: z.unknown().optional() })

/**
 * What gives rights among the objects of a manifest (YAML), lists opened.
 * @param namespace where objects go that name none
 * @throws Refused for whatever can't be told with certainty: what is not understood here, the cluster might understand
 */
export const rbacIn = (manifest: string, namespace: string): readonly RbacObject[] =>
  documentsIn(manifest).flatMap((each) => rbacOf(each, namespace, 0))

/** YAML as the cluster's own parser has it (1.1), and nothing that another parser could take for something else. */
const documentsIn = (manifest: string): readonly unknown[] => {
  const documents = parseAllDocuments(manifest, { version: '1.1', merge: true, uniqueKeys: true })
  return [...documents].map((document) => {
    const [problem] = [...document.errors, ...document.warnings]
    if (problem)
      throw new Refused(
        `the rendered chart is no plain YAML (${problem.code}, line ${problem.linePos?.[0].line ?? 0} of its manifest)`,
      )
    return document.toJS({ maxAliasCount: 100 }) as unknown
  })
}

const rbacOf = (object: unknown, namespace: string, depth: number): readonly RbacObject[] => {
  if (object === null || object === undefined) return []
  const { data } = Typed.safeParse(object)
  if (!data || depth > MOST_DEPTH) throw new Refused('the rendered chart holds something that is no object of Kubernetes')
  if (data.kind.endsWith('List')) {
    if (!Array.isArray(data.items)) throw new Refused(`the rendered chart holds a ${data.kind.slice(0, 80)} without items`)
    return data.items.flatMap((item: unknown) => rbacOf(item, namespace, depth + 1))
  }
  if (!GROUPS.test(data.apiVersion) || !KINDS.has(data.kind)) return []
  const found = rbacObject(object, namespace)
  if ('unreadable' in found) throw new Refused(`the rendered chart: ${found.unreadable}`)
  return [found]
}
