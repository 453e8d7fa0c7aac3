import { kindContents } from '../../../../src/adapters/jetstream/objects-contents.ts'
import type { KubernetesObject } from '../../../../src/events/kubernetes.ts'
import type { ReflectorListener, Served } from '../../../../src/ports.ts'
import { textOf, type World } from './world.ts'

/** What is told of one kind, held as OBJECTS holds it, and judged by what was ever true. */
export const pictureOf = (world: World, { kind }: Served) => {
  const stored = new Map<
    string,
    { readonly uid: string | undefined; readonly resourceVersion: string; readonly payload: Uint8Array }
  >()
  const writer = {
    put: (
      subject: string,
      version: { readonly uid: string | undefined; readonly resourceVersion: string; readonly payload: Uint8Array },
    ) => void stored.set(subject, version),
    wanted: (subject: string) => stored.get(subject),
    subjects: () => stored.keys(),
  }
  const contents = kindContents('demo', kind, writer, true)
  const lies: string[] = []
  const state = { state: 'listing' as 'listing' | 'streaming' | 'stalled', reason: '', heard: 0, malformed: 0, listing: false }
  const judge = (object: KubernetesObject): void => {
    if (!world.wasTrue(kind.name, object)) lies.push(`never true: ${textOf(object).slice(0, 400)}`)
  }
  const hear = (next: 'listing' | 'streaming' = state.listing ? 'listing' : 'streaming'): void => {
    state.state = next
    state.heard += 1
  }
  const listener: ReflectorListener = {
    listing: (isOtherHistory) => {
      contents.listing(isOtherHistory)
      state.listing = true
      state.state = 'listing'
    },
    page: (records) => {
      for (const { metadata, text } of records) {
        judge(JSON.parse(Buffer.from(text).toString()) as KubernetesObject)
        contents.keep(metadata, () => text)
      }
      hear()
    },
    listed: () => {
      contents.listed([])
      state.listing = false
      hear()
    },
    changed: ({ type, object }) => {
      if (type !== 'DELETED') judge(object)
      else if (!world.wasRemoved(kind.name, object.metadata.uid)) lies.push(`never deleted: ${object.metadata.name}`)
      if (!contents.isStale(object))
        if (type === 'DELETED') contents.remove(object)
        else contents.keep(object.metadata, () => Buffer.from(JSON.stringify(object)))
      hear()
    },
    bookmark: () => hear(),
    stalled: (reason) => {
      state.state = 'stalled'
      state.reason = reason
    },
    recovered: () => hear(),
    malformed: (_, at) => {
      contents.leaveOut(at)
      state.malformed += 1
      hear()
    },
  }
  return {
    listener,
    lies,
    state,
    leftOut: contents.leftOut,
    /** By namespace and name, each record in one form. */
    held: (): Readonly<Record<string, string>> =>
      Object.fromEntries(
        [...stored.values()].flatMap(({ uid, payload }) => {
          if (uid === undefined) return []
          const object = JSON.parse(Buffer.from(payload).toString()) as KubernetesObject
          return [[`${object.metadata.namespace ?? ''}/${object.metadata.name}`, textOf(object)]]
        }),
      ),
  }
}
