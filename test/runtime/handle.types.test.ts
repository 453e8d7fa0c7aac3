import { expect, test } from 'vitest'
import { type Actor, type AnyActorRef, type SnapshotFrom, waitFor } from 'xstate'
import { handleOf } from '../../src/runtime/handle.ts'
import { household } from './household.ts'
import { type parcel, parcelDef } from './parcel.ts'

// `npm run types` is what judges here: each line below a `@ts-expect-error` must not compile.

/** What @xstate/react's useSelector asks of an actor. */
const useSelector = <A extends Pick<AnyActorRef, 'getSnapshot' | 'subscribe'>, T>(
  actor: A,
  select: (snapshot: ReturnType<A['getSnapshot']>) => T,
): T => select(actor.getSnapshot() as ReturnType<A['getSnapshot']>)

test('types: a handle is an actor to XState, with the types of its machine', async () => {
  const home = household([parcelDef])
  await home.spawn({ type: 'parcel', id: 'p1' })
  const handle = await handleOf(home.ground, parcelDef, home.residence({ type: 'parcel', id: 'p1' }))

  const any: AnyActorRef = handle
  const some: Pick<Actor<typeof parcel>, 'send' | 'getSnapshot' | 'subscribe' | 'on' | 'select'> = handle
  const snapshot: SnapshotFrom<typeof parcel> = handle.getSnapshot()
  const to: string = useSelector(handle, ({ context }) => context.to)
  const waited: 'packing' | 'handingOver' | 'travelling' | 'arrived' = (
    await waitFor(handle, ({ status }) => status === 'active')
  ).value

  // @ts-expect-error the machine has no such event
  await handle.send({ type: 'parcel.Burn' })
  // @ts-expect-error a field is missing
  await handle.send({ type: 'parcel.Address' })
  // @ts-expect-error a field has another type
  await handle.send({ type: 'parcel.Address', to: 7 })
  // @ts-expect-error the machine emits no such fact
  handle.on('parcel.Burnt', () => {})
  // @ts-expect-error the fact has no such field
  handle.on('parcel.HandedOver', ({ colour }) => colour)
  // @ts-expect-error the context has no such field
  handle.subscribe(({ context }) => context.colour)
  // @ts-expect-error the machine has no such state
  handle.getSnapshot().matches('burning')

  expect([any, some]).toEqual([handle, handle])
  expect([snapshot.value, to, waited]).toEqual(['packing', '', 'packing'])
})
