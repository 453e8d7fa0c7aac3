import { z } from 'zod'
import { Cloud, Name, Provider, type ProviderSettings } from '../../events/provider.ts'
import type { Endpoints } from './machine.ts'

const LINK_LOCAL = 'http://169.254.169.254'

type Env = Readonly<Record<string, string | undefined>>

/**
 * What the environment says about provider and metadata:
 * - `QUARTERMASTER_PROVIDER`, `QUARTERMASTER_PROVIDER_CLUSTER`, `_REGION`, `_ACCOUNT` say what discovery would find, and win
 *   over it: provider, the cluster's name there, its region, and the account, project or subscription.
 * - `QUARTERMASTER_METADATA` says whose metadata service is asked: `nodes` (that of the nodes' cloud; the default in a pod),
 *   `AWS`, `GCP`, `Azure`, or `never` (the default elsewhere: a laptop's metadata is not the cluster's).
 *   `AWS_EC2_METADATA_DISABLED=true` makes `never` the default.
 * @throws Error naming the variable that makes no sense
 */
export const providerSettings = (env: Env = process.env): ProviderSettings => ({
  provider: read(env, 'QUARTERMASTER_PROVIDER', oneOf(Provider.options)),
  name: read(env, 'QUARTERMASTER_PROVIDER_CLUSTER', Name),
  region: read(env, 'QUARTERMASTER_PROVIDER_REGION', Name),
  account: read(env, 'QUARTERMASTER_PROVIDER_ACCOUNT', Name),
  metadata: metadataIn(env),
})

/**
 * Where the metadata services are: link-local, or `AWS_EC2_METADATA_SERVICE_ENDPOINT` (a URL) and `GCE_METADATA_HOST` (host
 * and port), which the clouds' own libraries read too, and `QUARTERMASTER_AZURE_METADATA_ENDPOINT` (a URL).
 * @throws Error naming the variable that makes no sense
 */
export const metadataEndpoints = (env: Env = process.env): Endpoints => {
  const host = env['GCE_METADATA_HOST']
  return {
    AWS: read(env, 'AWS_EC2_METADATA_SERVICE_ENDPOINT', Base) ?? LINK_LOCAL,
    GCP: host ? (read({ GCE_METADATA_HOST: `http://${host}` }, 'GCE_METADATA_HOST', Base) ?? LINK_LOCAL) : LINK_LOCAL,
    Azure: read(env, 'QUARTERMASTER_AZURE_METADATA_ENDPOINT', Base) ?? LINK_LOCAL,
  }
}

/** The node that this process runs on, if the pod was told it (`NODE_NAME`, from `spec.nodeName`). */
export const ownNode = (env: Env = process.env): string | undefined => env['NODE_NAME'] || undefined

const metadataIn = (env: Env): ProviderSettings['metadata'] => {
  const said = read(env, 'QUARTERMASTER_METADATA', oneOf([...Cloud.options, 'nodes', 'never'] as const))
  if (said === 'never') return { never: 'QUARTERMASTER_METADATA is never' }
  if (said !== undefined) return said
  if (env['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') return { never: 'AWS_EC2_METADATA_DISABLED is true' }
  if (env['KUBERNETES_SERVICE_HOST']) return 'nodes'
  return { never: 'this process is not in the cluster' }
}

/** One of the words, written in any case. */
const oneOf = <Word extends string>(words: readonly Word[]) =>
  z.string().transform((text, { addIssue }) => {
    const found = words.find((word) => word.toLowerCase() === text.toLowerCase())
    if (found === undefined) addIssue(`it is one of ${words.join(', ')}`)
    return found ?? z.NEVER
  })

const Base = z.url({ protocol: /^https?$/, error: 'it is no http URL' }).transform((url) => url.replace(/\/+$/, ''))

const read = <T>(env: Env, variable: string, schema: z.ZodType<T>): T | undefined => {
  const text = env[variable]?.trim()
  if (!text) return undefined
  const parsed = schema.safeParse(text)
  if (parsed.success) return parsed.data
  throw new Error(
    `${variable}=${JSON.stringify(text.slice(0, 80))}: ${parsed.error.issues.map(({ message }) => message).join('; ')}`,
  )
}
