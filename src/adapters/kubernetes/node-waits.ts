import { nodes } from '../../events/kinds.ts'
import type { Node } from '../../events/kubernetes.ts'
import type { KubernetesReads, NodeWaits, ReflectorListener } from '../../ports.ts'

type Wait = { readonly name: string; readonly look: (node: Node | undefined) => void; readonly fail: (error: unknown) => void }

/** Waits for nodes over one watch, which is there while anybody waits. */
export const nodeWaits = (reads: KubernetesReads): NodeWaits => {
  const waits = new Set<Wait>()
  let watch: Watch | undefined

  const begin = (): Watch => {
    const end = new AbortController()
    const known = new Map<string, Node>()
    const begun: Watch = { end, known, isListed: false }
    const tell = (name: string): void => {
      for (const wait of waits) if (wait.name === name) wait.look(known.get(name))
    }
    const listed = (): void => {
      begun.isListed = true
      for (const { name, look } of waits) look(known.get(name))
    }
    const failed = (error: unknown): void => {
      if (end.signal.aborted) return
      watch = undefined
      for (const { fail } of waits) fail(error)
    }
    reads.reflect({ kind: nodes, version: 'v1' }, undefined, listener(known, tell, listed), end.signal).catch(failed)
    return begun
  }

  const leave = (wait: Wait): void => {
    waits.delete(wait)
    if (waits.size > 0) return
    watch?.end.abort(new Error('nobody waits for a node'))
    watch = undefined
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
        watch ??= begin()
        if (watch.isListed) look(watch.known.get(name))
      }),
  }
}

type Watch = { readonly end: AbortController; readonly known: Map<string, Node>; isListed: boolean }

/** Keeps the nodes as they are. What was listed before and is not listed now is gone. */
const listener = (known: Map<string, Node>, tell: (name: string) => void, allListed: () => void): ReflectorListener => {
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
      allListed()
    },
    changed: ({ type, object }) => {
      if (type === 'DELETED') known.delete(object.metadata.name)
      else known.set(object.metadata.name, object as Node)
      tell(object.metadata.name)
    },
    bookmark: () => {},
    stalled: () => {},
    recovered: () => {},
    malformed: () => {},
  }
}
