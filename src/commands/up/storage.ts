import type { JetStreamClient, JetStreamManager, NatsConnection } from 'nats'
import { objectArchive } from '../../adapters/jetstream/archive.ts'
import { jetstreamJournal } from '../../adapters/jetstream/journal.ts'
import { refuseNewJournal } from '../../adapters/jetstream/journal-gone.ts'
import { ensureHistoryStream } from '../../adapters/jetstream/objects-history-stream.ts'
import { ensureObjectsStream } from '../../adapters/jetstream/objects-stream.ts'
import { roomIn, storeBytesOf } from '../../adapters/jetstream/room.ts'
import { kvSnapshots } from '../../adapters/jetstream/snapshots.ts'
import { ensureStreams } from '../../adapters/jetstream/streams.ts'
import { jetstreamTraces } from '../../adapters/jetstream/traces.ts'
import { acceptLoss } from '../../runtime/accept-loss.ts'
import type { Archive } from '../../runtime/archive.ts'
import { systemChance } from '../../runtime/chance.ts'
import { systemClock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/ground.ts'
import type { Journal } from '../../runtime/journal.ts'
import { findLoss, JournalLost } from '../../runtime/loss.ts'
import { bornAt } from '../../runtime/refuse.ts'
import type { Snapshots } from '../../runtime/snapshots.ts'
import { telling } from '../../runtime/telling.ts'
import type { Address, Definition } from '../../runtime/types.ts'

export type Storage = {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly journal: Journal
  readonly archive: Archive
  readonly snapshots: Snapshots
}

/** Every stream and bucket of a cluster. @throws Error when the journal is gone, and what it told is not */
export const openStorage = async (nc: NatsConnection, cluster: string, mayBeginAnew: boolean, log: Log): Promise<Storage> => {
  if (!mayBeginAnew) await refuseNewJournal(await nc.jetstreamManager())
  const storeBytes = await storeBytesOf(await nc.jetstreamManager())
  const room = roomIn(storeBytes)
  const jsm = await ensureStreams(nc, cluster, undefined, { storeBytes })
  await ensureObjectsStream(jsm, cluster, 1)
  await ensureHistoryStream(jsm, cluster, 1, room.history)
  const js = nc.jetstream()
  return {
    js,
    jsm,
    journal: telling(jetstreamJournal(nc, jsm, cluster), systemClock, log),
    archive: await objectArchive(nc, js, jsm, { maxBytes: room.archive ?? -1 }),
    snapshots: await kvSnapshots(js, { maxBytes: room.snapshots }),
  }
}

/**
 * Compares the journal's end with what EVENTS and the snapshots know of it, before anything is hosted on it.
 * @param accepts whether to go on from what is left
 * @throws JournalLost with what is lost and the remedy
 */
export const refuseLoss = async (
  { jsm, journal, snapshots }: Storage,
  cluster: string,
  definitions: readonly Definition[],
  accepts: boolean,
  own: string,
  log: Log,
): Promise<void> => {
  const traces = jetstreamTraces(jsm, cluster, snapshots)
  const loss = await findLoss(journal, traces, purgeable(definitions))
  if (!loss) return
  if (!accepts) throw new JournalLost(loss)
  const accepted = await acceptLoss({ journal, traces, clock: systemClock, chance: systemChance, process: own }, loss)
  log.warn({ loss, ...accepted }, 'the loss of acknowledged records is accepted: actors go on at what is left')
}

/** One-shot actors are purged whole once they are archived: that they are gone is no loss. */
const purgeable =
  (definitions: readonly Definition[]) =>
  ({ type, id }: Address): boolean => {
    const oneShot = definitions.find((definition) => definition.type === type)?.oneShot
    const born = bornAt(id)
    return oneShot !== undefined && born !== undefined && systemClock.now() - born > oneShot.retainMs
  }
