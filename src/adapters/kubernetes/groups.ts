import { z } from 'zod'
import { Gone, Refused, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'

/** One version of an API group: the verbs of each resource; undefined: the API itself can't say now (its server is away). */
type GroupVersion = { readonly version: string; readonly verbs: ReadonlyMap<string, readonly string[]> | undefined }
/** In the API's order of preference. */
export type Group = readonly GroupVersion[]
export type Groups = ReadonlyMap<string, Group>

const Discovered = z.object({
  kind: z.literal('APIGroupDiscoveryList'),
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string().default('') }).default({ name: '' }),
      versions: z
        .array(
          z.object({
            version: z.string(),
            resources: z.array(z.object({ resource: z.string(), verbs: z.array(z.string()).default([]) })).nullish(),
            freshness: z.string().optional(),
          }),
        )
        .nullish(),
    }),
  ),
})
type Discovered = z.infer<typeof Discovered>

/** The stable form since 1.30, the beta of 1.26 to 1.29; whoever knows neither answers with its list of groups. */
const AGGREGATED = ['v2', 'v2beta1']
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .concat('application/json')
  .join(',')

/** All groups, by one request for the core group and one for the others; undefined if the API does not offer that. */
export const aggregatedGroups = async (client: KubernetesClient, signal?: AbortSignal): Promise<Groups | undefined> => {
  const answers = await Promise.all(['/api', '/apis'].map((path) => client.request('GET', path, { accept: AGGREGATED, signal })))
  const lists = answers.map((answer) => Discovered.safeParse(answer).data)
  if (!lists.every((list) => list !== undefined)) return undefined
  return new Map(lists.flatMap(({ items }) => items.map((item) => [item.metadata.name, groupIn(item)])))
}

const groupIn = ({ versions }: Discovered['items'][number]): Group =>
  (versions ?? []).map(({ version, resources, freshness }) => ({
    version,
    // Stale is what an aggregated API said before its server went away.
    verbs: freshness === 'Stale' ? undefined : new Map(resources?.map(({ resource, verbs }) => [resource, verbs])),
  }))

const GroupList = z.object({
  kind: z.literal('APIGroupList'),
  groups: z.array(z.object({ name: z.string(), versions: z.array(z.object({ version: z.string() })) })),
})
const ResourceList = z.object({
  resources: z.array(z.object({ name: z.string(), verbs: z.array(z.string()).default([]) })),
})

/** The groups of these names, by one request for each of their versions. @throws Unavailable, Refused */
export const separateGroups = async (
  client: KubernetesClient,
  names: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<Groups> => {
  const list = GroupList.safeParse(await client.request('GET', '/apis', { signal }))
  if (!list.success) throw new Unavailable(`GET /apis: the answer is no list of groups: ${list.error.message}`)
  const known = [{ name: '', versions: [{ version: 'v1' }] }, ...list.data.groups].filter(({ name }) => names.has(name))
  const groups = known.map(async ({ name, versions }) => {
    const asked = versions.map(async ({ version }) => ({ version, verbs: await verbsOf(client, name, version, signal) }))
    return [name, await Promise.all(asked)] as const
  })
  return new Map(await Promise.all(groups))
}

const verbsOf = async (
  client: KubernetesClient,
  group: string,
  version: string,
  signal?: AbortSignal,
): Promise<GroupVersion['verbs']> => {
  const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  try {
    const { data } = ResourceList.safeParse(await client.request('GET', path, { signal }))
    return data && new Map(data.resources.map(({ name, verbs }) => [name, verbs]))
  } catch (error) {
    // One aggregated API whose server is away (503), or a group that goes this moment, says nothing about the others.
    if (error instanceof Unavailable || error instanceof Refused || error instanceof Gone) return undefined
    throw error
  }
}
