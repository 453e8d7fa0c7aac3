import { setTimeout as sleep } from 'node:timers/promises'
import type { Node } from '../../events/kubernetes.ts'
import { Gone, type NodeRef, Unavailable } from '../../ports.ts'

/** What a cloud's remover is given to know whose machine a node is. */
export type Nodes = {
  readonly getNode: (name: string, signal?: AbortSignal) => Promise<Node | undefined>
  /** Between two looks whether a machine is gone, ms. */
  readonly lookMs?: number
}

/** A cloud takes minutes, and counts how often it is asked. */
export const LOOK_MS = 15_000

/** The node that is meant. @throws Gone */
export const nodeMeant = async ({ getNode }: Nodes, { name, uid }: NodeRef, signal?: AbortSignal): Promise<Node> => {
  const node = await getNode(name, signal)
  if (node?.metadata.uid !== uid) throw new Gone(`node ${name} (${uid}) is no more`)
  return node
}

/**
 * Looks until there is a proof, and returns it. A cloud that does not answer is asked again.
 * @param look what proves that the machine is gone, or undefined as long as nothing does
 */
export const untilProven = async (
  look: () => Promise<string | undefined>,
  { lookMs = LOOK_MS }: Nodes,
  signal: AbortSignal,
): Promise<string> => {
  for (;;) {
    const seen = await look().catch((error: unknown) => {
      if (error instanceof Unavailable) return error
      throw error
    })
    if (typeof seen === 'string') return seen
    await sleep(Math.max(lookMs, seen?.retryAfterMs ?? 0), undefined, { signal })
  }
}
