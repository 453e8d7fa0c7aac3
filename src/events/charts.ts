import { z } from 'zod'
import { Pattern } from './pattern.ts'

const id = z.string().min(1).max(200)
/** Who wants to hear how the action ends, as `<type>/<id>`; only another actor says so. */
const requester = z.string().optional()
const label = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'small letters, digits and "-"')

/** A release of Helm: names as Helm takes them. */
const Release = { id, requester, namespace: label(63), releaseName: label(53) }
/** How long Helm waits until what it made is ready. */
const timeoutSeconds = z.int().min(1).max(3_600).default(600)

/** Below the folder of the policy: no way leads out of it. */
const inFolder = z
  .string()
  .max(500)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.+-]*(\/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*$/, 'a path below the folder of charts, without ".."')

const ChartSource = z.union([
  z.strictObject({
    /** `https://…` of a repository's index, or `oci://…` of a registry without the chart's name. */
    repoUrl: z
      .string()
      .max(500)
      .regex(/^(https?|oci):\/\/[^\s@]+$/, 'a URL with https, http or oci, and no credentials in it'),
    name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,250}$/, "a chart's name"),
    version: z.string().regex(/^v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$/, 'one version, such as 1.2.3'),
  }),
  z.strictObject({ path: inFolder.describe('a directory or a .tgz') }),
])
export type ChartSource = z.infer<typeof ChartSource>

const MOST_VALUES = 65_536
const SECRET_KEY = /(password|passwd|token|api[-_]?key|private[-_]?key|credentials?)$|^secret$/i
const secretIn = (value: unknown, path: string): string | undefined => {
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, each] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`
    if (typeof each === 'string' && each !== '' && SECRET_KEY.test(key)) return at
    const below = secretIn(each, at)
    if (below !== undefined) return below
  }
  return undefined
}
/** Orders are journaled, and what is journaled can be read: secrets come from a file that is read where Helm runs. */
const Values = z
  .record(z.string(), z.json())
  .default({})
  .refine((values) => JSON.stringify(values).length <= MOST_VALUES, `more than ${MOST_VALUES} characters`)
  .superRefine((values, context) => {
    const found = secretIn(values, '')
    if (found === undefined) return
    const message = `${found} looks like a secret, and orders are journaled: put it into a file and name that as valuesFile`
    context.addIssue({ code: 'custom', message })
  })

export const ChartUpsert = z.strictObject({
  ...Release,
  chartSource: ChartSource,
  /** As in a values file, over the values of `valuesFile` and of the chart. */
  valuesOverrides: Values,
  /** Below the folder of charts; never journaled. */
  valuesFile: inFolder.optional(),
  createNamespace: z.boolean().default(false),
  /** The release's own values stay, over the new chart's; otherwise only what is given here counts. */
  resetThenReuseValues: z.boolean().default(false),
  timeoutSeconds,
})
export type ChartUpsert = z.infer<typeof ChartUpsert>

export const ChartUninstall = z.strictObject({ ...Release, timeoutSeconds })
export type ChartUninstall = z.infer<typeof ChartUninstall>

/** Back to a revision, by its number or by the version of its chart (the newest of these that was deployed). */
export const ChartRollback = z
  .strictObject({
    ...Release,
    revision: z.int().min(1).optional(),
    version: z.string().min(1).max(100).optional(),
    timeoutSeconds,
  })
  .refine(({ revision, version }) => (revision === undefined) !== (version === undefined), 'either revision or version')
export type ChartRollback = z.infer<typeof ChartRollback>

export type ChartOrder = ChartUpsert | ChartUninstall | ChartRollback
export type ChartVerb = 'ChartUpsert' | 'ChartUninstall' | 'ChartRollback'

/** What an ordinary application is made of, beside Secrets. */
const USUAL = [
  { group: '', resources: ['configmaps', 'persistentvolumeclaims', 'pods', 'serviceaccounts', 'services'] },
  { group: 'apps', resources: ['daemonsets', 'deployments', 'replicasets', 'statefulsets'] },
  { group: 'autoscaling', resources: ['horizontalpodautoscalers'] },
  { group: 'batch', resources: ['cronjobs', 'jobs'] },
  { group: 'networking.k8s.io', resources: ['ingresses', 'networkpolicies'] },
  { group: 'policy', resources: ['poddisruptionbudgets'] },
]

/** What charts may do. Without a policy there are none. */
export const ChartPolicy = z.strictObject({
  /** Exactly these URLs. */
  repositories: z.array(z.string().max(500)).default([]),
  /** Where charts and values files are that orders name by their path. */
  folder: z.string().min(1).optional(),
  /** Namespaces of releases. */
  namespaces: z.array(Pattern).default([]),
  /**
   * What of RBAC a release may create or widen: `ClusterRole/NAME`, `ClusterRoleBinding/NAME`, `Role/NAMESPACE/NAME`,
   * `RoleBinding/NAMESPACE/NAME`. What is not here is refused by its name.
   */
  rbac: z.array(Pattern).default([]),
  /** Helm acts in the name of this account, `system:serviceaccount:NAMESPACE:NAME`; by default in our own. */
  serviceAccount: z
    .string()
    .regex(/^system:serviceaccount:[^:\s]+:[^:\s]+$/)
    .optional(),
  /** What releases may be made of, beside Secrets: the rights that `charts rbac` gives to that account, in the namespaces above. */
  objects: z
    .array(
      z.strictObject({
        /** '' is the core group. */
        group: z.string(),
        resources: z.array(z.string().regex(/^[a-z][a-z0-9]*$/, 'a resource in the plural')).min(1),
      }),
    )
    .default(USUAL),
})
export type ChartPolicy = z.infer<typeof ChartPolicy>

/** One revision of a release, as `helm history` tells it. */
export type Revision = {
  readonly revision: number
  /** Epoch ms. */
  readonly updated: number
  /** deployed, superseded, failed, uninstalled, uninstalling, pending-install, pending-upgrade, pending-rollback, unknown */
  readonly status: string
  /** Name and version. */
  readonly chart: string
  readonly description: string
}

type About = { readonly action: string; readonly verb: string; readonly namespace: string; readonly object: string }
export type ChartFact =
  | ({
      readonly type: 'controller.StepDone'
      readonly step: string
      readonly outcome: 'done' | 'failed'
      readonly error?: string
      readonly reason?: string
    } & About)
  | ({
      readonly type: 'controller.ActionDone'
      readonly alreadyGone: boolean
      readonly result: { readonly revision: number }
    } & About)
  | ({ readonly type: 'controller.ActionFailed'; readonly step: string; readonly error: string; readonly reason: string } & About)
  | ({ readonly type: 'controller.ActionCompensated'; readonly restored: string } & About)

export type ChartEvent<Type extends string> = { readonly type: `${Type}.Cancel`; readonly reason: string; readonly at: number }

const Cancel = z.strictObject({ reason: z.string() })
/** Journaled for ever: never edit a released shape. Raise its `v` and add the upcast beside it. */
export const chartEvents = <Type extends string>(type: Type) =>
  ({ [`${type}.Cancel`]: { schema: Cancel, v: 1 } }) as {
    readonly [T in `${Type}.Cancel`]: { readonly schema: typeof Cancel; readonly v: 1 }
  }
