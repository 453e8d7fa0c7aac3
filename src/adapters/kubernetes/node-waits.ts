import { nodes } from '../../events/kinds.ts'
import type { Node } from '../../events/kubernetes.ts'
import type { KubernetesReads, NodeWaits, ReflectorListener } from '../../ports.ts'

type Wait = { readonly name: string; readonly look: (node: Node | undefined) => void; readonly fail: (error: unknown) => void }

/** After the last one who waited: thousands who find at once what they wait for would list all nodes again and again. */
const LINGER_MS = 2_000

/** Waits for nodes over one watch, which is there while anybody waits and a moment longer. */
export const nodeWaits = (reads: KubernetesReads): NodeWaits => {
  const waits = new Set<Wait>()
  let watch: Watch | undefined
  let lingering: NodeJS.Timeout | undefined

  const begin = (): Watch => {
    const end = new AbortController()
    const known = new Map<string, Node>()
    const begun: Watch = { end, known, isCurrent: false }
    const tell = (name: string): void => {
      for (const wait of waits) if (wait.name === name) wait.look(known.get(name))
    }
    const trust = (isCurrent: boolean): void => {
      begun.isCurrent = isCurrent
      if (isCurrent) for (const { name, look } of waits) look(known.get(name))
    }
    const failed = (error: unknown): void => {
      if (end.signal.aborted) return
      watch = undefined
      for (const { fail } of waits) fail(error)
    }
    reads.reflect({ kind: nodes, version: 'v1' }, undefined, listener(known, tell, trust), end.signal).catch(failed)
    return begun
  }

  const leave = (wait: Wait): void => {
    waits.delete(wait)
    if (waits.size > 0) return
    clearTimeout(lingering)
    lingering = setTimeout(() => {
      watch?.end.abort(new Error('nobody waits for a node'))
      watch = undefined
    }, LINGER_MS).unref()
  }

  return {
    awaitNode: (name, judge, signal) =>
      new Promise((resolve, reject) => {
        const abort = (): void => end(() => reject(signal.reason as Error))
        const end = (settle: () => void): void => {
          signal.removeEventListener('abort', abort)
          leave(wait)
          settle()
        }
        const look = (node: Node | undefined): void => {
          const found = judge(node)
          if (found !== undefined) end(() => resolve(found))
        }
        const wait: Wait = { name, look, fail: (error) => end(() => reject(error as Error)) }
        if (signal.aborted) return reject(signal.reason as Error)
        signal.addEventListener('abort', abort, { once: true })
        waits.add(wait)
        clearTimeout(lingering)
        watch ??= begin()
        if (watch.isCurrent) look(watch.known.get(name))
      }),
  }
}

/** `isCurrent`: what is known is what the API has; not before it was listed, and not while nothing is heard. */
type Watch = { readonly end: AbortController; readonly known: Map<string, Node>; isCurrent: boolean }

/** Keeps the nodes as they are. What was listed before and is not listed now is gone. */
const listener = (
  known: Map<string, Node>,
  tell: (name: string) => void,
  trust: (isCurrent: boolean) => void,
): ReflectorListener => {
  let seen = new Set<string>()
  return {
    listing: () => {
      seen = new Set()
    },
    page: (records) => {
      for (const { metadata, text } of records) {
        seen.add(metadata.name)
        known.set(metadata.name, JSON.parse(Buffer.from(text).toString()) as Node)
      }
    },
    listed: () => {
      for (const name of known.keys()) if (!seen.has(name)) known.delete(name)
      trust(true)
    },
    changed: ({ type, object }) => {
      if (type === 'DELETED') known.delete(object.metadata.name)
      else known.set(object.metadata.name, object as Node)
      tell(object.metadata.name)
    },
    bookmark: () => {},
    stalled: () => trust(false),
    recovered: () => trust(true),
    malformed: () => {},
  }
}
