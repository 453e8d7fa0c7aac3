import { z } from 'zod'
import { Pattern } from './pattern.ts'

export const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet'
export const SERVING_SIGNER = 'kubernetes.io/kubelet-serving'
/** The two signers of kubelets' certificates: no request to another is ever looked at. */
export const KUBELET_SIGNERS: readonly string[] = [CLIENT_SIGNER, SERVING_SIGNER]

/**
 * Which kubelets' requests for certificates are approved. The defaults are GKE's names: machines that bootstrap ask as
 * one of GKE's own users, and only nodes of our own pools are ours to let in.
 */
export const CertificatePolicy = z.strictObject({
  /** Names of the nodes that we let in; others' requests are left to whoever is responsible for them. */
  nodeNames: z.array(Pattern).min(1).default(['*cast-pool*']),
  /** Who may ask for a node's first client certificate; the node itself may always ask for its next ones. */
  bootstrapUsers: z.array(z.string().min(1).max(253)).default(['kubelet-bootstrap', 'kubelet-nodepool-bootstrap']),
  /** With what the request's own name begins: `node-csr-` at the bootstrap, `csr-` afterwards. */
  namePrefixes: z.array(z.string().min(1).max(253)).min(1).default(['node-csr-', 'csr-']),
  maxAgeSeconds: z.int().min(1).max(86_400).default(3_600),
  /** The longest life of a certificate that may be asked for; the signer may give less. */
  maxExpirationSeconds: z
    .int()
    .min(600)
    .default(366 * 86_400),
})
export type CertificatePolicy = z.infer<typeof CertificatePolicy>

/** What a PKCS#10 request asks for, as far as it was understood; see `Unreadable` for those that were not. */
export const Pkcs10 = z.object({
  /** In the order of the request; a type is its name or, of an unknown one, its OID. */
  subject: z.array(z.object({ type: z.string(), value: z.string() })),
  /** Without subjectAltName none is left in `extensions`. */
  dnsNames: z.array(z.string()),
  /** As `node:net` writes them: no two texts for one address. */
  ipAddresses: z.array(z.string()),
  /** Kinds of names other than DNS and IP: `email`, `uri`, … */
  otherNames: z.array(z.string()),
  /** OIDs of the extensions that are asked for, subjectAltName apart. */
  extensions: z.array(z.string()),
  key: z.object({ type: z.string(), bits: z.number() }),
  /** Whether who asks has the key: the signature over the request is the key's. */
  signed: z.boolean(),
})
export type Pkcs10 = z.infer<typeof Pkcs10>

/** Why a request is not even looked into. */
const Unreadable = z.object({ unreadable: z.string() })

/** A CertificateSigningRequest as it is judged. */
export const CertificateRequest = z.object({
  name: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  createdAt: z.number().describe('epoch ms'),
  signerName: z.string(),
  username: z.string(),
  groups: z.array(z.string()),
  usages: z.array(z.string()),
  expirationSeconds: z.number().optional(),
  /** Types of the conditions that it has: Approved, Denied, Failed. */
  conditions: z.array(z.string()),
  approvedByUs: z.boolean(),
  /** Whether the certificate is there. */
  issued: z.boolean(),
  /** The words of a signer that refused it. */
  failure: z.string().optional(),
  /** PEM in base64, as in `spec.request`; '' where it is too long to be one of a kubelet. */
  pem: z.string(),
  pkcs10: z.union([Pkcs10, Unreadable]),
})
export type CertificateRequest = z.infer<typeof CertificateRequest>

/** What a Node says of itself, as far as a certificate may name it. */
export type NodeIdentity = {
  readonly name: string
  readonly ready: boolean
  /** Hostname, InternalDNS and ExternalDNS. */
  readonly dnsNames: readonly string[]
  /** InternalIP and ExternalIP, as `node:net` writes them. */
  readonly ipAddresses: readonly string[]
}

/** How the actor of one request ended. */
export type CertificateOutcome = {
  readonly outcome: 'issued' | 'decided' | 'gone' | 'refused' | 'failed'
  readonly rule?: string
  readonly reason?: string
}

const Seen = z.strictObject({ id: z.string(), name: z.string(), uid: z.string(), node: z.string() })
/** What stood against it may have passed: it is judged once more, by an actor with another id than the first. */
const Again = Seen.extend({ first: z.string(), tries: z.int() })

type At = { readonly at: number }
type Done<Output> = { readonly type: `xstate.done.actor.${string}`; readonly actorId: string; readonly output: Output }
type Failed = { readonly type: `xstate.error.actor.${string}`; readonly actorId: string }

export type CsrApproverEvent = At &
  (
    | ({ readonly type: 'csr-approver.Seen' } & z.infer<typeof Seen>)
    | ({ readonly type: 'csr-approver.Again' } & z.infer<typeof Again>)
    | Done<CertificateOutcome>
    | Failed
  )
export type ApproveCsrEvent = At & { readonly type: 'xstate.init' }

type About = { readonly csr: string; readonly uid: string; readonly node: string; readonly signer: string }
export type CertificateFact =
  | ({ readonly type: 'controller.CsrApproved' } & About)
  | ({ readonly type: 'controller.CertificateIssued' } & About)
  | ({ readonly type: 'controller.CsrRequestedAgain' } & About)
  /** Not approved by us; the request stays as it is, for whoever may decide otherwise. */
  | ({ readonly type: 'controller.CsrRefused'; readonly rule: string; readonly reason: string } & About)
  | ({ readonly type: 'controller.CsrFailed'; readonly reason: string } & About)

// Journaled for ever: never edit a released shape. Raise its `v` and add the upcast beside it.
export const csrApproverEvents = {
  'csr-approver.Seen': { schema: Seen, v: 1 },
  'csr-approver.Again': { schema: Again, v: 1 },
} as const
