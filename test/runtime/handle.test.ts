import { expect, test } from 'vitest'
import { type AnyActorRef, type AnyStateMachine, createActor, fromPromise, SimulatedClock, sendTo, setup, waitFor } from 'xstate'
import { getShortestPaths, TestModel } from 'xstate/graph'
import { begin, decide } from '../../src/runtime/decide.ts'
import { type DurableHandle, handleOf, type Residence } from '../../src/runtime/handle.ts'
import { settled } from '../../src/runtime/testing/virtual-clock.ts'
import type { Definition } from '../../src/runtime/types.ts'
import { shipped } from '../shipped.ts'
import { bed } from './bed.ts'
import { type Household, household } from './household.ts'
import { parcel, parcelDef } from './parcel.ts'

const self = { type: 'parcel', id: 'p1' }
const HOUR = 3_600_000

const begun = async (): Promise<Household & { readonly handle: DurableHandle<typeof parcel> }> => {
  const home = household([parcelDef])
  await home.spawn(self)
  return { ...home, handle: await handleOf(home.ground, parcelDef, home.residence(self)) }
}
const sent = async ({ handle, clock }: Awaited<ReturnType<typeof begun>>): Promise<void> => {
  await handle.send({ type: 'parcel.Address', to: 'Ada' })
  await handle.send({ type: 'parcel.Send' })
  await clock.advance(10)
}

test('handle: what is sent is decided and journaled before the answer, and then in the snapshot', async () => {
  const { handle, journal } = await begun()
  expect(handle.getSnapshot().value).toBe('packing')
  expect(await handle.send({ type: 'parcel.Address', to: 'Ada' })).toEqual({ ok: true, n: 2, to: 'packing' })
  expect(handle.getSnapshot().context).toEqual({ to: 'Ada', grams: 0 })
  expect(journal.of(self).at(-1)?.ev).toMatchObject({ type: 'parcel.Address', to: 'Ada' })
  expect(handle.getSnapshot().hasTag('ours')).toBe(true)
  expect(handle.getSnapshot().can({ type: 'parcel.Send', at: 0 })).toBe(true)
})

test('handle: the time that is sent with an event is not taken: the host puts it in', async () => {
  const { handle, journal, clock } = await begun()
  await handle.send({ type: 'parcel.Address', to: 'Ada', at: 7 })
  expect(journal.of(self).at(-1)?.ev.at).toBe(clock.now())
})

test('handle: a refusal is an answer with its reason, not an error', async () => {
  const { handle } = await begun()
  expect(await handle.send({ type: 'parcel.Send' })).toEqual({
    ok: false,
    why: 'refused',
    detail: 'parcel/p1 does not accept parcel.Send while it is packing',
  })
  expect(await handle.send({ type: 'parcel.Address', to: '' })).toMatchObject({ why: 'refused' })
  expect(await handle.send({ type: 'xstate.done.actor.x' } as never)).toMatchObject({ why: 'refused' })
})

test('handle: under one command id an event is decided once', async () => {
  const { handle } = await begun()
  await handle.send({ type: 'parcel.Address', to: 'Ada' }, { cmd: 'once' })
  expect(await handle.send({ type: 'parcel.Address', to: 'Bob' }, { cmd: 'once' })).toMatchObject({ why: 'duplicate' })
  expect(handle.getSnapshot().context.to).toBe('Ada')
})

test('handle: without a host that decides, the answer says how to go on, and nothing is thrown', async () => {
  const { handle, shut } = await begun()
  shut()
  expect(await handle.send({ type: 'parcel.Address', to: 'Ada' }, { cmd: 'mine' })).toEqual({
    ok: false,
    why: 'fenced',
    detail: 'the lease is lost: send it again with the cmd mine, it is then decided once',
  })
})

test('handle: an event that is no command goes in like that of another actor', async () => {
  const { handle } = await begun()
  expect(await handle.send({ type: 'parcel.Weighed', grams: 5 })).toMatchObject({ ok: true })
  expect(await handle.send({ type: 'parcel.Weighed', grams: 'a lot' as never })).toMatchObject({ why: 'refused' })
  expect(handle.getSnapshot().context.grams).toBe(5)
})

test('handle: subscribers hear each snapshot after its commit, the current one not, the last one before the completion', async () => {
  const { handle, clock, journal } = await begun()
  const heard: unknown[] = []
  handle.subscribe({
    next: ({ value, status }) => heard.push([value, status, journal.of(self).at(-1)?.to]),
    complete: () => heard.push('complete'),
  })
  await handle.send({ type: 'parcel.Address', to: 'Ada' })
  await handle.send({ type: 'parcel.Send' })
  await clock.advance(HOUR + 1_000)
  expect(heard).toEqual([
    ['packing', 'active', 'packing'],
    ['handingOver', 'active', 'handingOver'],
    ['travelling', 'active', 'travelling'],
    ['arrived', 'done', 'arrived'],
    'complete',
  ])
  expect(handle.getSnapshot().output).toEqual({ to: 'Ada' })
})

test('handle: commits that leave the snapshot as it is are not heard', async () => {
  const { handle, journal } = await begun()
  let heard = 0
  handle.subscribe(() => heard++)
  const before = handle.getSnapshot()
  await handle.send({ type: 'parcel.Send' })
  expect(journal.of(self)).toHaveLength(2) // the refusal
  expect([heard, handle.getSnapshot()]).toEqual([0, before])
})

test('handle: a checkpoint holds the whole state and is no news', async () => {
  const { handle, residence, journal } = await begun()
  let heard = 0
  handle.subscribe(() => heard++)
  await (await residence(self).find())?.checkpoint()
  expect(journal.of(self).at(-1)?.p.set?.length).toBeGreaterThan(0)
  expect(heard).toBe(0)
})

test('handle: an actor that ended and lives again is in the snapshot; who heard the end hears nothing more', async () => {
  const { handle, spawn } = await begun()
  const heard: unknown[] = []
  handle.subscribe({ next: ({ value }) => heard.push(value), complete: () => heard.push('complete') })
  await handle.stop()
  await spawn(self)
  await handle.send({ type: 'parcel.Address', to: 'Ada' })
  expect(heard).toEqual(['complete'])
  expect(handle.getSnapshot()).toMatchObject({ status: 'active', context: { to: 'Ada' } })
})

test('handle: whoever unsubscribes hears nothing more', async () => {
  const { handle } = await begun()
  const heard: unknown[] = []
  const subscription = handle.subscribe(({ context }) => heard.push(context.to))
  const listening = handle.on('*', (fact) => heard.push(fact.type))
  await handle.send({ type: 'parcel.Address', to: 'Ada' })
  subscription.unsubscribe()
  listening.unsubscribe()
  await handle.send({ type: 'parcel.Address', to: 'Bob' })
  await handle.send({ type: 'parcel.Weighed', grams: 1 })
  expect(heard).toEqual(['Ada'])
})

test('handle: what the machine emits is heard by its type and by all, when the snapshot has changed already', async () => {
  const home = await begun()
  const { handle } = home
  const heard: unknown[] = []
  handle.on('parcel.HandedOver', ({ receipt }) => heard.push([receipt, handle.getSnapshot().value]))
  handle.on('*', ({ type }) => heard.push(type))
  handle.subscribe(({ value }) => heard.push(value))
  await handle.send({ type: 'parcel.Send' }) // refused: the host's own fact is not heard
  await sent(home)
  expect(heard).toEqual(['packing', 'handingOver', ['receipt for Ada', 'travelling'], 'parcel.HandedOver', 'travelling'])
})

test('handle: a listener that throws is reported, and the others hear all the same', async () => {
  const home = await begun()
  const { handle, errors } = home
  const heard: unknown[] = []
  const thrower = (): never => {
    throw new Error('not my day')
  }
  handle.subscribe(thrower)
  handle.on('*', thrower)
  handle.subscribe(({ value }) => heard.push(value))
  await sent(home)
  expect(heard).toEqual(['packing', 'handingOver', 'travelling'])
  expect(errors).toHaveLength(4)
  expect(errors[0]).toMatchObject({ message: 'not my day' })
})

test('handle: it goes on when its actor was put away and comes back', async () => {
  const home = await begun()
  const { handle, putAway, clock } = home
  const heard: unknown[] = []
  handle.subscribe(({ value }) => heard.push(value))
  putAway(self)
  await sent(home)
  putAway(self)
  expect(handle.getSnapshot().value).toBe('travelling')
  await handle.send({ type: 'parcel.Weighed', grams: 3 })
  await clock.advance(HOUR)
  expect(heard).toEqual(['packing', 'handingOver', 'travelling', 'travelling', 'arrived'])
  expect(handle.getSnapshot().context).toEqual({ to: 'Ada', grams: 3 })
})

test('handle: what another process has decided meanwhile is heard when the actor is back', async () => {
  const home = await begun()
  const { handle, putAway, journal, residence } = home
  putAway(self)
  const elsewhere = household([parcelDef], 'elsewhere', journal)
  const other = await handleOf(elsewhere.ground, parcelDef, elsewhere.residence(self))
  await other.send({ type: 'parcel.Address', to: 'Eve' })
  const heard: unknown[] = []
  handle.subscribe(({ context }) => heard.push(context.to))
  await residence(self).find()
  expect(journal.of(self).at(-1)).toMatchObject({ p: {}, ev: { type: '$opened' } })
  expect(heard).toEqual(['Eve'])
  expect(handle.getSnapshot().context.to).toBe('Eve')
})

test('handle: of an actor that has ended it has the last snapshot, and whoever subscribes hears the end at once', async () => {
  const home = await begun()
  await sent(home)
  await home.clock.advance(HOUR + 1_000)
  home.putAway(self)
  const late = await handleOf(home.ground, parcelDef, home.residence(self))
  expect(late.getSnapshot()).toMatchObject({ status: 'done', value: 'arrived', output: { to: 'Ada' } })
  const heard: unknown[] = []
  late.subscribe({ next: () => heard.push('next'), complete: () => heard.push('complete') })
  expect(heard).toEqual(['complete'])
  expect(await late.send({ type: 'parcel.Send' })).toMatchObject({ why: 'refused' })
})

test('handle: a stop is journaled and completes, as XState has it', async () => {
  const { handle, journal } = await begun()
  const heard: unknown[] = []
  handle.subscribe({ next: () => heard.push('next'), complete: () => heard.push('complete') })
  expect(await handle.stop()).toMatchObject({ ok: true })
  expect(journal.of(self).at(-1)?.ev.type).toBe('$stop')
  expect([heard, handle.getSnapshot().status]).toEqual([['complete'], 'stopped'])
})

test('handle: a child is stopped by its parent alone', async () => {
  const home = household([parcelDef])
  await home.spawn(self, {}, { type: 'van', id: 'v', ref: 'p1' })
  const handle = await handleOf(home.ground, parcelDef, home.residence(self))
  expect(() => handle.stop()).toThrow('parcel/p1 is a child: only its parent stops it')
})

test('handle: an actor that could not begin is an error to those who subscribe', async () => {
  const home = household([parcelDef])
  home.journal.fault = 'too large'
  expect(await home.spawn(self)).toMatchObject({ ok: false })
  const handle = await handleOf(home.ground, parcelDef, home.residence(self))
  const heard: unknown[] = []
  handle.subscribe({ error: (error: unknown) => heard.push((error as Error).message) })
  expect(heard).toEqual(['parcel/p1 has ended in an error; its journal says which'])
  handle.subscribe(() => {})
  expect(home.errors.at(-1)).toMatchObject({ message: 'parcel/p1 has ended in an error; its journal says which' })
})

const counted = (residence: Residence): { readonly residence: Residence; readonly watching: () => number } => {
  let watching = 0
  const watch: Residence['watch'] = (listener) => {
    const unwatch = residence.watch(listener)
    watching++
    return () => {
      watching--
      unwatch()
    }
  }
  return { residence: { ...residence, watch }, watching: () => watching }
}

test('handle: of an actor that is not there, there is none, and nothing is left behind', async () => {
  const home = household([parcelDef])
  const { residence, watching } = counted(home.residence(self))
  await expect(handleOf(home.ground, parcelDef, residence)).rejects.toThrow('there is no parcel/p1')
  expect(watching()).toBe(0)
})

test('handle: disposed of, it hears nothing more, and the actor lives on', async () => {
  const home = await begun()
  const { residence, watching } = counted(home.residence(self))
  const heard: unknown[] = []
  {
    using handle = await handleOf(home.ground, parcelDef, residence)
    handle.subscribe(({ context }) => heard.push(context.to))
    expect(watching()).toBe(1)
  }
  await home.handle.send({ type: 'parcel.Address', to: 'Ada' })
  expect([heard, watching(), home.handle.getSnapshot().context.to]).toEqual([[], 0, 'Ada'])
})

test("handle: XState's waitFor waits for it, now and later", async () => {
  const home = await begun()
  const now = await waitFor(home.handle, ({ value }) => value === 'packing')
  expect(now.value).toBe('packing')
  const later = waitFor(home.handle, (snapshot) => snapshot.matches('travelling'))
  await sent(home)
  expect((await later).context.to).toBe('Ada')
  const never = expect(waitFor(home.handle, ({ context }) => context.to === 'Eve')).rejects.toThrow('Actor terminated')
  await home.clock.advance(HOUR + 1_000)
  await never
})

test('handle: what is selected is heard when it changes', async () => {
  const home = await begun()
  const to = home.handle.select(({ context }) => context.to)
  const heard: string[] = []
  to.subscribe((name) => heard.push(name))
  await sent(home)
  expect([heard, to.get()]).toEqual([['Ada'], 'Ada'])
})

test('handle: a plain XState actor sends to it with sendTo', async () => {
  const home = await begun()
  const screen = setup({ types: { context: {} as { readonly target: AnyActorRef } } }).createMachine({
    context: { target: home.handle },
    on: { press: { actions: sendTo(({ context }) => context.target, { type: 'parcel.Address', to: 'Ada' }) } },
  })
  createActor(screen).start().send({ type: 'press' })
  await settled()
  expect(home.handle.getSnapshot().context.to).toBe('Ada')
})

test('handle: its persisted snapshot is one that XState itself goes on with', async () => {
  const home = await begun()
  await sent(home)
  const clock = new SimulatedClock()
  const plain = createActor(parcel, { snapshot: home.handle.getPersistedSnapshot() as never, clock }).start()
  expect(plain.getSnapshot()).toMatchObject({ value: 'travelling', context: { to: 'Ada' } })
})

test('handle: there is no actor system to ask, and it says so; as JSON it is its address', async () => {
  const { handle } = await begun()
  expect(() => handle.system).toThrow('parcel/p1 belongs to no actor system')
  expect(JSON.stringify({ handle })).toBe('{"handle":{"type":"parcel","id":"p1"}}')
  expect([handle.id, handle.sessionId]).toEqual(['p1', 'parcel/p1'])
})

test('handle: the same machine goes through the same states under createActor and under the host', async () => {
  const story = [{ type: 'parcel.Address', to: 'Ada' }, { type: 'parcel.Weighed', grams: 3 }, { type: 'parcel.Send' }] as const
  const shown = ({ value, context, status }: { value: unknown; context: unknown; status: string }) =>
    JSON.stringify([value, context, status])

  const clock = new SimulatedClock()
  const provided = {
    actors: { handOver: fromPromise<string, { readonly to: string }>(async ({ input }) => `receipt for ${input.to}`) },
  }
  const plain = createActor(parcel.provide(provided), { clock })
  const plainly: unknown[] = []
  plain.subscribe((snapshot) => plainly.push(shown(snapshot)))
  plain.on('*', (fact) => plainly.push(fact))
  plain.start()
  for (const event of story) plain.send({ ...event, at: 0 })
  await settled()
  clock.increment(HOUR)

  const home = await begun()
  const durably: unknown[] = [shown(home.handle.getSnapshot())]
  home.handle.subscribe((snapshot) => durably.push(shown(snapshot)))
  home.handle.on('*', (fact) => durably.push(fact))
  for (const event of story) await home.handle.send(event)
  await home.clock.advance(HOUR + 1_000)

  expect(durably).toHaveLength(8)
  expect(durably).toEqual(plainly)
})

test('host: it gives out handles, which outlive the time in which their actor is in the journal alone', async () => {
  const { process, clock, inbox } = bed([parcelDef], self)
  const host = await process('a', { residents: 1 })
  const handle = await host.ref(parcelDef, 'p1')
  const heard: unknown[] = []
  handle.subscribe(({ value, context }) => heard.push([value, context.to]))
  await inbox.call('parcel', '$Spawn', {}, undefined, 'p2') // there is room for one
  await clock.advance(5_000)
  expect(host.actors().map((actor) => actor.self.id)).toEqual(['p2'])
  await handle.send({ type: 'parcel.Address', to: 'Ada' })
  await handle.send({ type: 'parcel.Send' })
  await clock.advance(HOUR + 1_000)
  expect(heard.at(-1)).toEqual(['arrived', 'Ada'])
  expect(heard).toHaveLength(4)
  await expect(host.ref(parcelDef, 'p3')).rejects.toThrow('there is no parcel/p3')
  await host.stop()
  expect(await handle.send({ type: 'parcel.Send' })).toMatchObject({ ok: false, why: 'fenced' })
})

const ends = (definition: Definition, events: readonly object[]) => {
  const paths = getShortestPaths(definition.machine, {
    input: { order: { id: 'a', nodeName: 'n1' }, at: 0 },
    events: events as never,
    serializeState: ({ value }) => JSON.stringify(value),
  })
  return paths.map((path) => ({ to: path.state.value, events: path.steps.map(({ event }) => event).slice(1) }))
}
const node = { name: 'n1', uid: 'u', providerId: '', unschedulable: false }
const ended = (ref: string, output: unknown) => ({ type: `xstate.done.actor.${ref}`, actorId: ref, output, at: 0 })
const deletion = [
  { type: 'delete-node.Cancel', reason: 'no', at: 0 },
  ended('0.delete-node.reading', node),
  ended('0.delete-node.choosing', { by: 'node-object' }),
  ended('0.delete-node.deleting', undefined),
  ended('0.delete-node.listing', []),
  ended('0.delete-node.listing', [{ namespace: 'a', name: 'b', uid: 'c' }]),
]

test('graph: shortest paths over a shipped machine as it is lead where the host goes on the same events', () => {
  const definition = shipped('delete-node')
  const paths = ends(definition, deletion)
  expect(new Set(paths.map(({ to }) => to))).toEqual(
    new Set(['reading', 'choosing', 'deleting', 'listing', 'clearing', 'detaching', 'ended']),
  )
  const address = { type: 'delete-node', id: 'a' }
  for (const { to, events } of paths) {
    const first = begin(definition, address, { order: { id: 'a', nodeName: 'n1' } }, 0).next
    const last = events.reduce((state, event) => decide(definition, address, state, { ...event, at: 0 })?.next ?? state, first)
    expect(last.value).toEqual(to)
  }
})

test('graph: a test model of a machine is walked with durable actors under test', async () => {
  const events = [
    { type: 'parcel.Address', to: 'Ada', at: 0 },
    { type: 'parcel.Send', at: 0 },
  ] as const
  // createTestModel itself refuses every machine that invokes.
  const model = new TestModel(parcel as AnyStateMachine, {
    events: [...events],
    serializeState: ({ value, context }) => JSON.stringify([value, context]),
  })
  const paths = model.getShortestPaths()
  expect(paths.length).toBeGreaterThan(0)
  for (const path of paths) {
    const { handle } = await begun()
    await path.test({
      events: {
        'parcel.Address': async ({ event }) => void (await handle.send(event as (typeof events)[0])),
        'parcel.Send': async () => void (await handle.send(events[1])),
      },
      states: { '*': (state) => expect(handle.getSnapshot().value).toEqual(state.value) },
    })
  }
})
