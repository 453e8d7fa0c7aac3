import { JSONCodec } from 'nats'
import { subjects } from '../../events/subjects.ts'
import { type CloudEvent, factOf } from '../../runtime/projector.ts'
import type { System } from './system.ts'

const json = JSONCodec<CloudEvent>()

/** The first `up` of a world connects by itself; later ones go on in the journaled phase. `nc` is whose command it is. */
export const connectFirst = async ({ nc, host }: Pick<System, 'nc' | 'host'>, cluster: string): Promise<void> => {
  const root = host.actors().find(({ self }) => self.type === 'cluster')
  // Commit 1 makes the actor, and what is reopened has a second one at least.
  if (root?.book()?.n === 1) await nc.request(subjects(cluster).call('cluster', 'Connect'), '{}', { timeout: 10_000 })
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
