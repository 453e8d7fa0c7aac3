import { fromPromise } from 'xstate'
import type { JournaledEvent, SpawnedOutput } from './types.ts'

const runByHost = () => Promise.reject(new Error('effects are run by the host'))

/** Names an effect in setup({ actors }). The machine asks for it by being in a state; the host runs it and journals its end. */
export const invoked = <Output, Input>() => fromPromise<Output, Input>(runByHost)

/** Names another journaled actor in setup({ actors }). Its end comes back as the event of its own. */
export const spawned = <Output, Input>() => fromPromise<SpawnedOutput<Output>, Input>(runByHost)

/** Names an effect in setup({ actions }). Nobody waits for its result. */
export const performed =
  <Params>() =>
  (_: unknown, _params: Params): void => {}

/** The action for a message to another actor, `to` being `<type>/<id>`: setup({ actions: { tell } }). */
export const tell = performed<{ readonly to: string; readonly event: JournaledEvent }>()
