import { JSONCodec, type NatsConnection } from 'nats'
import { phaseOf } from '../../actors/cluster.ts'
import { ONLY_OBSERVES } from '../../adapters/kubernetes/observing.ts'
import { subjects } from '../../events/subjects.ts'
import type { DurableActor } from '../../runtime/actor.ts'
import { pause, systemClock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/ground.ts'
import type { Host } from '../../runtime/host.ts'
import { type CloudEvent, factOf } from '../../runtime/projector.ts'
import type { System } from './system.ts'

const json = JSONCodec<CloudEvent>()
const isRoot = ({ self }: DurableActor): boolean => self.type === 'cluster'

/** The first `up` of a world connects by itself; later ones go on in the journaled phase. `nc` is whose command it is. */
export const connectFirst = async ({ nc, host }: Pick<System, 'nc' | 'host'>, cluster: string): Promise<void> => {
  const root = host.actors().find(isRoot)
  // Commit 1 makes the actor, and what is reopened has a second one at least.
  if (root?.book()?.n === 1) await nc.request(subjects(cluster).call('cluster', 'Connect'), '{}', { timeout: 10_000 })
}

const LOOK_MS = 2_000

/**
 * A system that may not write can meet a cluster in the phase automating: it is started again without --allow-writes, or
 * takes over from a process that may. Its licence starts nothing there; this ends the phase. What running actions took
 * stays taken, because giving back is a write too.
 * @param asOperator runs with the connection of whoever started it: whose command it is
 */
export const stayObserving = async (
  host: Host,
  cluster: string,
  asOperator: (work: (nc: NatsConnection) => Promise<void>) => Promise<void>,
  log: Log,
  signal: AbortSignal,
): Promise<void> => {
  const isAutomating = (): boolean => phaseOf(host.actors().find(isRoot)?.book()?.state.value ?? {}) === 'automating'
  while (!signal.aborted) {
    if (isAutomating()) {
      log.warn({ reason: ONLY_OBSERVES }, 'the cluster was automating: back to observing; nodes cordoned by us stay so')
      await asOperator((nc) => abandon(nc, cluster)).catch((error: Error) =>
        log.warn({ err: error.message }, 'Demote was not answered, it is given again'),
      )
    }
    await pause(systemClock, LOOK_MS, signal)
  }
}

const abandon = async (nc: NatsConnection, cluster: string): Promise<void> => {
  const payload = { policy: 'abandon', reason: ONLY_OBSERVES }
  await nc.request(subjects(cluster).call('cluster', 'Demote'), JSON.stringify(payload), { timeout: 10_000 })
}

/** Tells of every public event until the connection closes. */
export const followEvents = ({ nc }: System, cluster: string, onEvent: (event: CloudEvent, fact: string) => void): void => {
  nc.subscribe(`qm.${cluster}.evt.>`, {
    callback: (error, { data }) => {
      if (error) return
      const event = json.decode(data)
      onEvent(event, factOf(event))
    },
  })
}
