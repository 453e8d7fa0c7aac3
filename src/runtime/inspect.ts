import type { AnyStateMachine } from 'xstate'
import { INIT } from './fold.ts'
import { type Patch, patched } from './patch.ts'
import type { Persisted } from './persist.ts'
import { type Address, addressOf, type Commit, type JournaledEvent } from './types.ts'

/** The protocol of `@statelyai/inspect` that these messages speak. */
const VERSION = '0.7.2'

/** A state as inspectors read it. Children are named; each is an actor of its own. */
export type InspectedSnapshot = {
  readonly status: Persisted['status']
  readonly value: unknown
  readonly context: unknown
  readonly output?: unknown
  readonly children: Readonly<Record<string, { readonly xstate$$type: 1; readonly id: string }>>
}

type Base = {
  readonly rootId: string
  /** `<type>/<id>`: the same before and after a restart, in every process. */
  readonly sessionId: string
  /** The commit, `<type>/<id>/<n>`: what is shown live and read again later is one message. */
  readonly id: string
  /** Epoch milliseconds, as text. */
  readonly createdAt: string
  readonly _version: string
}
export type InspectMessage = Base &
  (
    | {
        readonly type: '@xstate.actor'
        readonly name: string
        readonly definition: string | undefined
        readonly parentId: string | undefined
        readonly snapshot: InspectedSnapshot
      }
    | { readonly type: '@xstate.event'; readonly event: JournaledEvent; readonly sourceId: string | undefined }
    | { readonly type: '@xstate.snapshot'; readonly event: JournaledEvent; readonly snapshot: InspectedSnapshot }
  )

/** What has to be known of an actor to show its next commit. Folded without user code. */
export type Seen = {
  readonly n: number
  readonly ts: number
  readonly mv: number
  readonly parent: Address | undefined
  readonly state: Persisted
}

/** The text of a machine's config by type and version, as it is kept in the bucket `machines`. */
type DefinitionText = (type: string, version: number) => string | undefined

export type Inspection = {
  /** The actor that nobody spawns; all others descend from it. */
  readonly root: Address
  readonly definition: DefinitionText
}

/** The actor after one more commit. */
export const seen = (before: Seen | undefined, { n, ts, mv, ev, p, ck }: Commit): Seen => ({
  n,
  ts,
  mv,
  parent: ev.type === INIT || ev.type === '$stillborn' ? parentOf(ev) : (before?.parent ?? ck?.parent),
  state: patched(before?.state, p as Patch) as Persisted,
})
const parentOf = ({ parent }: JournaledEvent): Address | undefined => parent as Address | undefined

/** Bookkeeping of the runtime, of which the machine knows nothing. */
const UNTOLD: ReadonlySet<string> = new Set(['$opened', '$checkpoint', '$fx.done'])
/** Commits that no machine decided, and that changed its state all the same. */
const REMADE: ReadonlySet<string> = new Set(['$stop', '$stillborn', '$migrated'])

/** Pure: one commit as inspectors are told of it. `after` is what is known of the actor after it. */
export const inspected = (inspection: Inspection, self: Address, commit: Commit, after: Seen): readonly InspectMessage[] => {
  const { ev } = commit
  if (UNTOLD.has(ev.type)) return []
  const base = baseOf(inspection, self, after)
  const event: InspectMessage = { ...base, type: '@xstate.event', event: ev, sourceId: sourceOf(self, commit, after) }
  const isBeginning = ev.type === INIT || ev.type === '$stillborn' || ev.type === '$migrated'
  const hasMoved = !ev.type.startsWith('$') || REMADE.has(ev.type)
  return [
    ...(isBeginning ? [introduced(inspection, self, after)] : []),
    event,
    ...(hasMoved ? [{ ...base, type: '@xstate.snapshot' as const, event: ev, snapshot: snapshotOf(after.state) }] : []),
  ]
}

/** Pure: the actor as it stands, for whoever has not heard of it yet. */
export const introduced = (inspection: Inspection, self: Address, known: Seen): InspectMessage => ({
  ...baseOf(inspection, self, known),
  type: '@xstate.actor',
  name: addressOf(self),
  definition: inspection.definition(self.type, known.mv),
  parentId: known.parent && addressOf(known.parent),
  snapshot: snapshotOf(known.state),
})

const baseOf = ({ root }: Inspection, self: Address, { n, ts, parent }: Seen): Base => ({
  rootId: addressOf(parent ? root : self),
  sessionId: addressOf(self),
  id: `${addressOf(self)}/${n}`,
  createdAt: String(ts),
  _version: VERSION,
})

const snapshotOf = ({ status, value, context, output, children }: Persisted): InspectedSnapshot => ({
  status,
  value,
  context,
  ...(output !== undefined && { output }),
  children: Object.fromEntries(Object.keys(children).map((id) => [id, { xstate$$type: 1 as const, id }])),
})

/** Who sent it: the actor whose commit caused it, itself for timers; undefined: somebody outside. */
const sourceOf = (self: Address, { cause, cmd, ev }: Commit, { parent }: Seen): string | undefined => {
  if (ev.type === INIT) return parent && addressOf(parent)
  if (cmd.startsWith('timer/')) return addressOf(self)
  return cause === undefined ? undefined : /^(.+?\/.+)\/\d+\/\d+(?:\/[a-z]+)?$/.exec(cause)?.[1]
}

/** The JSON text of a machine's config. Functions are there by name only: what they do is in no text. */
export const definitionText = ({ config }: AnyStateMachine): string =>
  JSON.stringify(config, (_, value: unknown) => (typeof value === 'function' ? { type: value.name } : value))

/** Pure: the message without its context where that alone would make it too long to send. */
export const fitting = (message: InspectMessage, bytes: number): InspectMessage => {
  if (message.type === '@xstate.event' || Buffer.byteLength(JSON.stringify(message)) <= bytes) return message
  const context = { $omitted: `${JSON.stringify(message.snapshot.context)?.length ?? 0} characters` }
  return { ...message, snapshot: { ...message.snapshot, context } }
}
