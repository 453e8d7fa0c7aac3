import { and, assign, emit, setup } from 'xstate'
import {
  type ApproveCsrEvent,
  type CertificateFact,
  type CertificateOutcome,
  type CertificatePolicy,
  type CertificateRequest,
  CLIENT_SIGNER,
  type NodeIdentity,
} from '../../../events/certificates.ts'
import { invoked } from '../../../runtime/intent.ts'
import { judge, nodeOf, type Verdict } from './judge.ts'

export type CsrRef = { readonly name: string; readonly uid: string }
/** What was read, and the policy by which it is judged: both are in the journal with the judgement. */
export type ReadRequest = { readonly request: CertificateRequest | null; readonly policy: CertificatePolicy }
type Approval = CsrRef & { readonly resourceVersion: string; readonly message: string }

type Context = {
  readonly csr: CsrRef
  /** The request as it was last read, and the policy that is in force. */
  readonly read: ReadRequest | null
  /** Whether it was approved by us: should it get lost, it is asked for again. */
  readonly approved: boolean
  /** Asked for again in our name, it is judged as that of whoever had asked first. */
  readonly askedFor: Pick<CertificateRequest, 'username' | 'groups'> | null
  /** Epoch ms from which the four minutes are counted. */
  readonly since: number
  readonly tries: number
  readonly outcome: CertificateOutcome
}

type Reading = Pick<Context, 'read' | 'askedFor'>

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000
/** No more is tried so long after the first try, ms. */
const PATIENCE_MS = 240_000
/** While the brake is on nothing is approved, and the request does not run out of tries. */
const HELD_MS = 30_000

const failureOf = (event: unknown) => (event as { readonly error: { readonly name: string; readonly message: string } }).error
const atOf = (event: unknown): number => (event as { readonly at: number }).at
const outputOf = (event: unknown): unknown => (event as { readonly output: unknown }).output
const readIn = (event: unknown) => outputOf(event) as ReadRequest
const requestIn = (event: unknown) => readIn(event).request

/** The verdict on what was read; without the node, on all that does not depend on it. */
const verdict = ({ read, askedFor }: Reading, node: NodeIdentity | null, at: number): Verdict =>
  read?.request
    ? judge(read.policy, { request: { ...read.request, ...askedFor }, node, at })
    : { is: 'refuse', rule: 'Decided', reason: 'it is gone' }
/** After `readRequest`: whatever the node may be, it is refused. */
const firstVerdict = ({ askedFor }: Context, event: unknown): Verdict =>
  verdict({ read: readIn(event), askedFor }, null, atOf(event))
/** After `readNode`. */
const lastVerdict = (context: Context, event: unknown): Verdict =>
  verdict(context, outputOf(event) as NodeIdentity | null, atOf(event))

const about = ({ csr, read }: Context) => ({
  csr: csr.name,
  uid: csr.uid,
  node: read?.request ? nodeOf(read.request) : '',
  signer: read?.request?.signerName ?? '',
})
const failure = (reason: string): CertificateOutcome => ({ outcome: 'failed', reason })
const refusal = ({ is: _, ...why }: Verdict): CertificateOutcome => ({ outcome: 'refused', ...why })
const identityOf = (read: ReadRequest | null): Context['askedFor'] =>
  read?.request ? { username: read.request.username, groups: read.request.groups } : null
const isMeant = ({ csr }: Context, request: CertificateRequest | null): request is CertificateRequest => request?.uid === csr.uid
const has = (request: CertificateRequest | null, condition: string): boolean => request?.conditions.includes(condition) ?? false

/** A kubelet that bootstraps finds its request again by its name, which is made of its key; later ones have other names. */
const isFoundAgain = ({ read }: Context): boolean =>
  read?.request?.signerName === CLIENT_SIGNER && read.request.name.startsWith('node-csr-')

/**
 * One request for a kubelet's certificate: read, judged with its node, approved, and waited for until the signer has
 * answered. What is not approved is left as it is: others may decide otherwise.
 */
export const approveCsr = setup({
  types: {
    context: {} as Context,
    events: {} as ApproveCsrEvent,
    emitted: {} as CertificateFact,
    input: {} as CsrRef & { readonly at: number },
    output: {} as CertificateOutcome,
  },
  actors: {
    readRequest: invoked<ReadRequest, CsrRef>(),
    readNode: invoked<NodeIdentity | null, { readonly name: string }>(),
    approve: invoked<{ readonly approved: true }, Approval>(),
    /** Asks in our own name for what was asked for, unless the same is asked for already. @returns which request it is */
    requestAgain: invoked<CsrRef, { readonly request: CertificateRequest }>(),
  },
  guards: {
    issued: ({ context, event }) => isMeant(context, requestIn(event)) && requestIn(event)?.issued === true,
    failed: ({ context, event }) => isMeant(context, requestIn(event)) && has(requestIn(event), 'Failed'),
    denied: ({ context, event }) => isMeant(context, requestIn(event)) && has(requestIn(event), 'Denied'),
    approved: ({ context, event }) => isMeant(context, requestIn(event)) && has(requestIn(event), 'Approved'),
    there: ({ context, event }) => isMeant(context, requestIn(event)),
    /** Nobody has taken its name, and a kubelet would find a new one: a request that we judged and approved. */
    lost: ({ context, event }) => context.approved && requestIn(event) === null && isFoundAgain(context),
    forbidden: ({ context, event }) => isMeant(context, requestIn(event)) && firstVerdict(context, event).is === 'refuse',
    approves: ({ context, event }) => lastVerdict(context, event).is === 'approve',
    waits: ({ context, event }) => lastVerdict(context, event).is === 'wait',
    late: ({ context, event }) => atOf(event) - context.since >= PATIENCE_MS,
    held: ({ event }) => failureOf(event).name === 'Held',
    hopeless: ({ event }) => failureOf(event).name === 'Refused',
  },
  delays: {
    pause: ({ context }) => Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** context.tries),
    held: HELD_MS,
  },
}).createMachine({
  id: 'approve-csr',
  context: ({ input }) => ({
    csr: { name: input?.name ?? '', uid: input?.uid ?? '' },
    read: null,
    approved: false,
    askedFor: null,
    since: input?.at ?? 0,
    tries: 0,
    outcome: { outcome: 'gone' },
  }),
  output: ({ context }) => context.outcome,
  initial: 'reading',
  states: {
    reading: {
      invoke: {
        src: 'readRequest',
        input: ({ context }) => context.csr,
        onDone: [
          {
            guard: 'issued',
            target: 'issued',
            actions: assign({ read: ({ event }) => event.output, outcome: { outcome: 'issued' } }),
          },
          {
            guard: 'failed',
            target: 'failed',
            actions: assign({ outcome: ({ event }) => failure(`the signer refuses it: ${event.output.request?.failure ?? ''}`) }),
          },
          // That is a decision, and not ours to overrule.
          { guard: 'denied', target: 'ended', actions: assign({ outcome: { outcome: 'decided', reason: 'it was denied' } }) },
          { guard: and(['approved', 'late']), target: 'late' },
          { guard: 'approved', target: 'pausing' },
          {
            guard: 'forbidden',
            target: 'refused',
            actions: assign({
              read: ({ event }) => event.output,
              outcome: ({ context, event }) => refusal(firstVerdict(context, event)),
            }),
          },
          { guard: 'there', target: 'readingNode', actions: assign({ read: ({ event }) => event.output }) },
          { guard: 'lost', target: 'requestingAgain' },
          { target: 'ended' },
        ],
        onError: [
          { guard: 'hopeless', target: 'failed', actions: assign({ outcome: ({ event }) => failure(failureOf(event).message) }) },
          { guard: 'late', target: 'late' },
          { target: 'pausing' },
        ],
      },
    },
    readingNode: {
      invoke: {
        src: 'readNode',
        input: ({ context }) => ({ name: context.read?.request ? nodeOf(context.read.request) : '' }),
        onDone: [
          { guard: 'approves', target: 'approving' },
          {
            guard: and(['waits', 'late']),
            target: 'refused',
            actions: assign({ outcome: ({ context, event }) => refusal(lastVerdict(context, event)) }),
          },
          { guard: 'waits', target: 'pausing' },
          { target: 'refused', actions: assign({ outcome: ({ context, event }) => refusal(lastVerdict(context, event)) }) },
        ],
        onError: [{ guard: 'late', target: 'late' }, { target: 'pausing' }],
      },
    },
    approving: {
      invoke: {
        src: 'approve',
        input: ({ context: { csr, read } }) => ({
          ...csr,
          resourceVersion: read?.request?.resourceVersion ?? '',
          message: `Quartermaster: all rules hold for node ${read?.request ? nodeOf(read.request) : ''}`,
        }),
        onDone: {
          target: 'pausing',
          actions: [
            assign({ approved: true, tries: 0 }),
            emit(({ context }) => ({ type: 'controller.CsrApproved', ...about(context) })),
          ],
        },
        onError: [
          { guard: 'held', target: 'held' },
          { guard: 'hopeless', target: 'failed', actions: assign({ outcome: ({ event }) => failure(failureOf(event).message) }) },
          { guard: 'late', target: 'late' },
          // Changed meanwhile, gone, or no answer: what is true now is read, and judged anew.
          { target: 'pausing' },
        ],
      },
    },
    /** Its deletion was not a denial: the cluster forgets requests, and the kubelet that made it looks for its name. */
    requestingAgain: {
      invoke: {
        src: 'requestAgain',
        input: ({ context: { read } }) => ({ request: read?.request ?? ({} as CertificateRequest) }),
        onDone: {
          target: 'reading',
          actions: [
            assign({
              csr: ({ event }) => event.output,
              approved: false,
              askedFor: ({ context: { askedFor, read } }) => askedFor ?? identityOf(read),
            }),
            emit(({ context }) => ({ type: 'controller.CsrRequestedAgain', ...about(context) })),
          ],
        },
        onError: [
          { guard: 'held', target: 'held' },
          { guard: 'hopeless', target: 'failed', actions: assign({ outcome: ({ event }) => failure(failureOf(event).message) }) },
          { guard: 'late', target: 'late' },
          { target: 'pausing' },
        ],
      },
    },
    pausing: { after: { pause: { target: 'reading', actions: assign({ tries: ({ context }) => context.tries + 1 }) } } },
    held: { after: { held: { target: 'reading', actions: assign({ since: ({ event }) => atOf(event), tries: 0 }) } } },
    late: {
      always: {
        target: 'failed',
        actions: assign({ outcome: failure(`it is not settled after ${PATIENCE_MS / 1_000} s`) }),
      },
    },
    issued: {
      type: 'final',
      entry: emit(({ context }) => ({ type: 'controller.CertificateIssued', ...about(context) })),
    },
    refused: {
      type: 'final',
      entry: emit(({ context }) => ({
        type: 'controller.CsrRefused',
        ...about(context),
        rule: context.outcome.rule ?? '',
        reason: context.outcome.reason ?? '',
      })),
    },
    failed: {
      type: 'final',
      entry: emit(({ context }) => ({ type: 'controller.CsrFailed', ...about(context), reason: context.outcome.reason ?? '' })),
    },
    ended: { type: 'final' },
  },
})
