import { z } from 'zod'
import { Gone, Refused, Unavailable } from '../../ports.ts'
import type { Access } from './access.ts'
import type { KubernetesClient } from './client.ts'
import { objectPath } from './paths.ts'

const TokenRequest = z.object({ status: z.object({ token: z.string().min(1) }) })
/** The shortest life that the API gives a token. Credentials are asked for anew long before. */
const LIFE_SECONDS = 600

/**
 * The same cluster as a service account of its own, by tokens that `client` asks for (TokenRequest). Nothing else of who
 * `client` is goes with it.
 */
export const accountAccess = (client: KubernetesClient, access: Access, namespace: string, name: string): Access => {
  const path = objectPath({ group: '', version: 'v1', resource: 'serviceaccounts', namespace }, name, 'token')
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: LIFE_SECONDS },
  }
  return {
    server: access.server,
    credentials: async () => {
      const { data } = TokenRequest.safeParse(await client.request('POST', path, { body }).catch(absent(`${namespace}/${name}`)))
      if (!data) throw new Unavailable(`POST ${path}: the answer holds no token`)
      const { cert: _, key: __, passphrase: ___, headers: ____, ...tls } = await access.credentials()
      return { ...tls, headers: { authorization: `Bearer ${data.status.token}` } }
    },
  }
}

/** Without it the account is what is gone, not the object that a request is about. */
const absent =
  (account: string) =>
  (error: unknown): never => {
    if (!(error instanceof Gone)) throw error
    const remedy = 'make it with "quartermaster guard rbac --guard FILE | kubectl apply -f -"'
    throw new Refused(`there is no service account ${account}: ${remedy}`, { cause: error })
  }
