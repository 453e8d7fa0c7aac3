import type { JetStreamManager } from 'nats'

const GIB = 2 ** 30

/** Bytes that each of them may hold, as NATS counts them. Absent: as much as there is. */
export type Room = {
  readonly events: number
  readonly commands?: number
  readonly snapshots: number
  /** The cluster as it was: HISTORY. */
  readonly history: number
  readonly archive?: number
}

/** Of the volume; together with the objects (a twentieth) nine tenths. */
const SHARES = { events: 1 / 20, commands: 1 / 20, snapshots: 1 / 20, history: 1 / 10, archive: 6 / 10 }

/** Bytes that our account may store; undefined: it has no limit, and JetStream tells no client how large its volume is. */
export const storeBytesOf = async (jsm: JetStreamManager): Promise<number | undefined> => {
  const { limits } = await jsm.getAccountInfo()
  return limits.max_storage > 0 ? limits.max_storage : undefined
}

/**
 * How the store is shared out: the journal itself has no bound, but what others may fill leaves a tenth of the volume to
 * it.
 * @param storeBytes what NATS may store; undefined when nobody knows
 */
export const roomIn = (storeBytes: number | undefined): Room => {
  if (storeBytes === undefined) return { events: 2 * GIB, snapshots: GIB, history: 2 * GIB }
  const share = (part: number): number => Math.floor(storeBytes * part)
  return {
    events: Math.min(2 * GIB, share(SHARES.events)),
    commands: Math.min(GIB, share(SHARES.commands)),
    snapshots: Math.min(GIB, share(SHARES.snapshots)),
    history: Math.min(2 * GIB, share(SHARES.history)),
    archive: share(SHARES.archive),
  }
}
