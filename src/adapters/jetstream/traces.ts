import type { JetStreamManager, StoredMsg } from 'nats'
import { untoken } from '../../events/subjects.ts'
import type { Trace, Traces } from '../../runtime/loss.ts'
import type { CloudEvent } from '../../runtime/projector.ts'
import type { Snapshots } from '../../runtime/snapshots.ts'
import type { Address } from '../../runtime/types.ts'
import { asked, isNotFound } from './errors.ts'

const [JOURNAL, EVENTS, COMMANDS, SNAPSHOTS] = ['JOURNAL', 'EVENTS', 'COMMANDS', 'KV_snapshots']

/** What EVENTS, COMMANDS and the cached snapshots know of the journal. */
export const jetstreamTraces = (jsm: JetStreamManager, cluster: string, snapshots?: Snapshots): Traces => {
  const message = async (stream: string, query: { readonly seq: number } | { readonly last_by_subj: string }) =>
    asked(`${stream} ${JSON.stringify(query)}`, async () => {
      try {
        return await jsm.streams.getMessage(stream, query)
      } catch (error) {
        if (isNotFound(error)) return undefined
        throw error
      }
    })

  const newestSnapshot = async (): Promise<readonly Trace[]> => {
    const stored = snapshots && (await message(SNAPSHOTS, { last_by_subj: '$KV.snapshots.>' }).catch(() => undefined)) // a cache: without it, the events have to do
    const [type = '', id = ''] = stored?.subject.split('.').slice(2) ?? []
    const actor = { type, id: untoken(id) }
    const cached = stored && (await snapshots.get(actor).catch(() => undefined))
    return cached ? [{ where: `${SNAPSHOTS} ${stored.seq}`, seq: cached.seq, of: { actor, n: cached.n, write: cached } }] : []
  }
  const told = async function* (): AsyncGenerator<Trace> {
    const { state } = await asked(EVENTS, () => jsm.streams.info(EVENTS))
    for (let seq = state.last_seq; seq >= state.first_seq && seq > 0; seq--) {
      const trace = traceOf(await message(EVENTS, { seq }))
      if (trace) yield trace
    }
  }
  return {
    end: async () => {
      const { state } = await asked(JOURNAL, () => jsm.streams.info(JOURNAL))
      const newest = await message(JOURNAL, { last_by_subj: `qm.${cluster}.journal.>` })
      return { last: state.last_seq, held: newest?.seq ?? 0 }
    },
    newest: async () => {
      const found = [...(await newestSnapshot())]
      for await (const trace of told()) return [trace, ...found]
      return found
    },
    told,
    withdraw: async (isLost) => {
      const { state } = await asked(COMMANDS, () => jsm.streams.info(COMMANDS))
      let count = 0
      for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
        const sender = senderOf((await message(COMMANDS, { seq }))?.header.get('Qm-Cause'))
        if (!sender || !isLost(sender.actor, sender.n)) continue
        await asked(`${COMMANDS} ${seq}`, () => jsm.streams.deleteMessage(COMMANDS, seq))
        count++
      }
      return count
    },
  }
}

/** `<type>/<id>/<n>/<i>`; the id may have slashes of its own. */
const senderOf = (key: string | undefined): { readonly actor: Address; readonly n: number } | undefined => {
  const [, type, id, n] = /^([^/]+)\/(.*)\/(\d+)\/\d+$/s.exec(key ?? '') ?? []
  return type !== undefined && id !== undefined ? { actor: { type, id }, n: Number(n) } : undefined
}

/** An event's id names the commit, its header the position; undefined of what nobody of ours has written. */
const traceOf = (stored: StoredMsg | undefined): Trace | undefined => {
  const seq = Number(stored?.header.get('Qm-Journal').split('/')[0])
  if (!stored || !(seq > 0)) return undefined
  const where = `${EVENTS} ${stored.seq}`
  const { id } = stored.json<CloudEvent>()
  const commit = senderOf(id)
  const refused = /^[^/]+\/refused\/(.*)$/s.exec(id)?.[1]
  if (refused !== undefined) return { where, seq, of: { refused } }
  return commit && { where, seq, of: commit }
}
