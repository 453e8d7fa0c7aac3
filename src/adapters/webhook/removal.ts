import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { z } from 'zod'
import { type NodeOwner, Refused, type RemovalRequest, type Remover, Unavailable } from '../../ports.ts'
import { askAgain } from '../../runtime/licence.ts'

type WebhookSettings = {
  readonly url: string
  /** Shared with the receiver; it signs each request. */
  readonly secret: string
  /** The provider id of a node, without which the receiver could not know its machine. */
  readonly providerIdOf: (node: string, signal?: AbortSignal) => Promise<string | undefined>
}

const Answer = z.object({ state: z.enum(['removing', 'removed', 'refused']), message: z.string().max(500).optional() })
type Answer = z.infer<typeof Answer>

const TIMEOUT_MS = 9_000
const LOOK_MS = 5_000

/** `sha256=` and the HMAC of `<timestamp>.<body>`: docs/drain.md. */
export const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`

/** Whoever listens there removes machines that we can't remove ourselves. The contract is docs/drain.md. */
export const webhookRemover = ({ url, secret, providerIdOf }: WebhookSettings): Remover => {
  const ask = async ({ owner, node, action }: RemovalRequest, signal?: AbortSignal): Promise<Answer> => {
    const body = JSON.stringify({
      apiVersion: 'quartermaster.dev/v1',
      kind: 'NodeRemoval',
      action,
      node: { name: node.name, uid: node.uid, providerID: providerIdIn(owner) },
    })
    const timestamp = String(Math.floor(Date.now() / 1_000))
    askAgain()
    const limit = AbortSignal.timeout(TIMEOUT_MS)
    const answer = await request(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': action,
        'quartermaster-timestamp': timestamp,
        'quartermaster-signature': signatureOf(secret, timestamp, body),
      },
      body,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    }).catch((error: unknown) => {
      if (signal?.aborted) throw signal.reason
      throw new Unavailable(`the webhook for node removal does not answer: ${(error as Error).message}`, { cause: error })
    })
    return answered(answer.statusCode, await answer.body.text())
  }
  return {
    by: 'webhook',
    claim: async ({ name }, signal) => {
      const providerId = await providerIdOf(name, signal)
      return providerId === undefined ? undefined : { by: 'webhook', providerId }
    },
    shrink: async (asked, signal) => {
      const { state, message } = await ask(asked, signal)
      if (state === 'refused')
        throw new Refused(`the webhook refuses to remove node ${asked.node.name}: ${message ?? 'no reason'}`)
    },
    awaitRemoved: async (asked, signal) => {
      for (;;) {
        const answer = await ask(asked, signal).catch((error: unknown) => {
          if (error instanceof Unavailable) return undefined
          throw error
        })
        if (answer?.state === 'removed') return 'the webhook'
        if (answer?.state === 'refused')
          throw new Refused(`the webhook gives up node ${asked.node.name}: ${answer.message ?? ''}`)
        await sleep(LOOK_MS, undefined, { signal })
      }
    },
  }
}

const providerIdIn = (owner: NodeOwner): string => {
  if (owner.by !== 'webhook') throw new Error(`webhook: the owner is ${owner.by}`)
  return owner.providerId
}

const answered = (code: number, text: string): Answer => {
  if (code >= 500 || code === 429) throw new Unavailable(`the webhook for node removal answers ${code}`)
  if (code < 200 || code > 299) throw new Refused(`the webhook for node removal answers ${code}: ${text.slice(0, 200)}`)
  const answer = Answer.safeParse(jsonIn(text))
  if (answer.success) return answer.data
  throw new Unavailable(`the webhook for node removal answers without sense: ${text.slice(0, 200)}`)
}
const jsonIn = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // no answer of the contract
  }
}
