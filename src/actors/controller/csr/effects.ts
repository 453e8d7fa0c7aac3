import {
  type CertificatePolicy,
  type CertificateRequest,
  CLIENT_SIGNER,
  KUBELET_SIGNERS,
  SERVING_SIGNER,
} from '../../../events/certificates.ts'
import type { CertificateRequests, Power } from '../../../ports.ts'
import type { EffectContext, EffectsOf } from '../../../runtime/types.ts'
import type { approveCsr } from './approve-csr.ts'
import type { csrApprover } from './csr-approver.ts'
import { isOurs, nodeOf } from './judge.ts'

const csrs = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests' }

/** What approving needs of Kubernetes: the verb `approve` on each signer as well. */
export const csrPowers: readonly Power[] = [
  ...['get', 'list', 'watch', 'create'].map((verb) => ({ verb, ...csrs })),
  { verb: 'patch', ...csrs, subresource: 'approval' },
  ...[CLIENT_SIGNER, SERVING_SIGNER].map((name) => ({ verb: 'approve', group: csrs.group, resource: 'signers', name })),
  { verb: 'get', group: '', resource: 'nodes' },
]

const REQUEST_MS = 10_000
const patiently = { attempts: 3, backoffMs: 500, on: ['Unavailable', 'TimedOut'] }
const asking = { reach: 'internal', idempotency: 'natural', timeoutMs: REQUEST_MS, retry: patiently } as const

/** What approving works with. Without a policy nothing is looked at. */
export type CsrMeans = {
  readonly requests: CertificateRequests
  readonly policy: CertificatePolicy | undefined
  /** An id that begins with a UUIDv7 of the request's time, and is the same whenever it is asked for. */
  readonly idOf: (request: CertificateRequest) => string
  readonly log: { warn(fields: object, message: string): void }
}

export const csrApproverEffects = (means: CsrMeans): EffectsOf<typeof csrApprover> => ({
  followRequests: {
    reach: 'internal',
    idempotency: 'natural', // it only reads; one that is told twice has one actor
    timeoutMs: 'activity',
    run: (_, context) => followed(means, context),
  },
})

const followed = async ({ requests, policy, idOf, log }: CsrMeans, { report, signal }: EffectContext): Promise<void> => {
  // It goes on to be asked for: the next process of this actor may have one.
  if (!policy) return untilAborted(signal)
  const told = new Set<string>()
  const onRequest = async (request: CertificateRequest): Promise<void> => {
    const { name, uid } = request
    if (told.has(uid) || !concernsUs(policy, request)) return
    remember(told, uid)
    await report({ type: 'csr-approver.Seen', id: idOf(request), name, uid, node: nodeOf(request) })
  }
  const onFailure = (reason: string): void => log.warn({ reason }, 'requests for certificates can not be read now')
  await requests.follow(onRequest, onFailure, signal)
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))

const MOST_TOLD = 10_000
/** The oldest are forgotten: their requests are decided, or too old. */
const remember = (told: Set<string>, uid: string): void => {
  const [oldest] = told
  if (told.size >= MOST_TOLD && oldest !== undefined) told.delete(oldest)
  told.add(uid)
}

/** Undecided, to a kubelet's signer, and for one of our nodes; one that can't be read is ours to refuse by name. */
const concernsUs = (policy: CertificatePolicy, request: CertificateRequest): boolean => {
  const { signerName, conditions, issued, pkcs10, name } = request
  if (!KUBELET_SIGNERS.includes(signerName) || conditions.length > 0 || issued) return false
  return 'unreadable' in pkcs10 ? policy.namePrefixes.some((prefix) => name.startsWith(prefix)) : isOurs(policy, nodeOf(request))
}

/** @throws Error when nobody has said by which rules */
const ruling = (policy: CertificatePolicy | undefined): CertificatePolicy => {
  if (!policy) throw new Error('this process has no policy for certificates: start it with --approve-csr FILE')
  return policy
}

export const approveCsrEffects = (means: CsrMeans): EffectsOf<typeof approveCsr> => ({
  readRequest: {
    ...asking,
    run: async ({ name }, { signal }) => ({
      request: (await means.requests.read(name, signal)) ?? null,
      policy: ruling(means.policy),
    }),
  },
  readNode: { ...asking, run: async ({ name }, { signal }) => (await means.requests.node(name, signal)) ?? null },
  approve: {
    reach: 'disruptive', // it lets a machine into the cluster: not while the brake is on
    idempotency: 'probe', // the condition says whether it is ours
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: async ({ message, ...csr }, { signal }) => {
      await means.requests.approve(csr, message, signal)
      return { approved: true } as const
    },
    probe: async ({ name, uid }, { signal }) => {
      const found = await means.requests.read(name, signal)
      return found?.uid === uid && found.approvedByUs ? { approved: true } : undefined
    },
  },
  requestAgain: {
    reach: 'disruptive',
    idempotency: 'probe', // of one name there is one: the same contents are what we were to ask for
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: ({ request }, { signal }) => means.requests.create(request, signal),
    probe: async ({ request }, { signal }) => {
      const found = await means.requests.read(request.name, signal)
      return found && isSame(found, request) ? { name: found.name, uid: found.uid } : undefined
    },
  },
})

const isSame = (a: CertificateRequest, b: CertificateRequest): boolean =>
  a.pem !== '' && a.pem === b.pem && a.signerName === b.signerName && a.usages.join() === b.usages.join()
