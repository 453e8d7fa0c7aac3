import { endObject } from '../deletion.ts'
import type { World } from '../world.ts'

/** A real server keeps events for an hour; this one keeps the newest, so that the world stays small. */
const KEPT = 1_000

/** The oldest event goes when there are too many. */
export const runEventExpiry = (world: World): void => {
  const { store } = world
  store.subscribe(({ type, resource }) => {
    if (type !== 'ADDED' || resource !== 'events' || store.count('events') <= KEPT) return
    const [oldest] = store.all('events')
    if (oldest) endObject(world, 'events', oldest)
  })
}
