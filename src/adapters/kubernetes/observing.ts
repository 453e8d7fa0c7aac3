import { Refused } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'

/** Why a system that was started to observe writes nothing, with the remedy. */
export const ONLY_OBSERVES = 'this system only observes: start it with --allow-writes'

/** Questions in the form of a POST: the API answers and stores nothing. */
const QUESTIONS = /^\/apis\/authorization\.k8s\.io\/v1\/selfsubject(access|rules)reviews$/
/** Which of our processes observes: one Lease each, and none but ours. */
const LEASES = /^\/apis\/coordination\.k8s\.io\/v1\/namespaces\/[^/]+\/leases$/
const OUR_LEASE = /^\/apis\/coordination\.k8s\.io\/v1\/namespaces\/[^/]+\/leases\/quartermaster-[^/]+$/

/**
 * The client without the power to change the cluster: whatever is asked of it that observing does not need is refused
 * before it is sent, also where the credentials would allow it (a laptop's kubeconfig is often an administrator's).
 */
export const observing = (client: KubernetesClient): KubernetesClient => ({
  ...client,
  request: async (method, path, call) => {
    if (!isNeeded(method, path, call?.body)) throw new Refused(`${method} ${path}: ${ONLY_OBSERVES}`)
    return client.request(method, path, call)
  },
})

const isNeeded = (method: string, path: string, body: unknown): boolean => {
  if (method === 'GET') return true
  if (method === 'POST') return QUESTIONS.test(path) || (LEASES.test(path) && isOurs(body))
  return method === 'PUT' && OUR_LEASE.test(path)
}

const isOurs = (body: unknown): boolean => {
  const { name } = (body as { readonly metadata?: { readonly name?: unknown } } | undefined)?.metadata ?? {}
  return typeof name === 'string' && name.startsWith('quartermaster-')
}
