import type { JetStreamManager, NatsConnection } from 'nats'
import { journaledActors, maxPayload, natsGallery } from '../../adapters/jetstream/inspect.ts'
import { journalPage } from '../../adapters/jetstream/journal-page.ts'
import type { Machines } from '../../adapters/jetstream/machines.ts'
import type { HistoryRecorder } from '../../adapters/jetstream/objects-history.ts'
import type { Archive } from '../../runtime/archive.ts'
import { systemClock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/ground.ts'
import { createInspector } from '../../runtime/inspecting.ts'
import type { Journal } from '../../runtime/journal.ts'
import type { Definition } from '../../runtime/types.ts'
import { clusterThen } from './cluster-then.ts'
import { replays } from './replays.ts'

type Past = {
  readonly nc: NatsConnection
  readonly jsm: JetStreamManager
  readonly cluster: string
  readonly journal: Journal
  readonly archive?: Archive | undefined
  readonly definitions: readonly Definition[]
  readonly machines: Machines
  /** Absent: nobody here records the cluster. */
  readonly recorder?: HistoryRecorder
  readonly log: Log
}
/** A commit's time is its host's, the stream's time is NATS': so far apart they may be. */
const SKEW_MS = 600_000

/** What was decided until now, for those who ask, and what is decided from now on, for those who watch. */
export const openPast = ({ nc, jsm, cluster, journal, archive, definitions, machines, recorder, log }: Past) => {
  const inspection = { root: { type: 'cluster', id: cluster }, definition: machines.definition }
  const gallery = natsGallery(nc, jsm, cluster)
  const inspector = createInspector({ journal, gallery, inspection, clock: systemClock, log })
  const pageBytes = Math.floor(maxPayload(nc) / 2)
  const since = async (time: number): Promise<number> => {
    const { entries } = await journalPage(nc, cluster, { at: time - SKEW_MS })
    return (entries[0]?.seq ?? 1) - 1
  }
  const { journal: asked, inspect } = replays({
    records: { journal, archive },
    definitions,
    inspection,
    inspector,
    actors: () => journaledActors(jsm, cluster),
    since,
    subject: `qm.${cluster}.inspect.>`,
    pageBytes,
  })
  const at = clusterThen({ nc, jsm, cluster, recorder, pageBytes })
  return { answers: { journal: asked, inspect, at }, stop: inspector.stop }
}
