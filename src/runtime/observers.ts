import type { Observer, Subscription } from 'xstate'

/** A snapshot as far as its observers are concerned. */
type Observed = { readonly status: string; readonly error?: unknown }

/** Who hears of an actor, by XState's rules: a final snapshot is heard before the completion, and nobody after it. */
export type Observers<Snapshot, Emitted> = {
  /** Not called with the current snapshot; at once with its end, if it has ended. */
  readonly subscribe: (observer: Observer<Snapshot>, current: Snapshot) => Subscription
  readonly on: (type: string, listener: (emitted: Emitted) => void) => Subscription
  readonly next: (snapshot: Snapshot) => void
  readonly emit: (emitted: Emitted) => void
  readonly clear: () => void
}

/** @param report hears what a listener threw: the others are called all the same */
export const createObservers = <Snapshot extends Observed, Emitted extends { readonly type: string }>(
  report: (error: unknown) => void,
): Observers<Snapshot, Emitted> => {
  const observers = new Set<Observer<Snapshot>>()
  const listeners = new Set<{ readonly type: string; readonly listener: (emitted: Emitted) => void }>()
  const guarded = (call: () => void): void => {
    try {
      call()
    } catch (error) {
      report(error)
    }
  }
  const end = ({ next, complete, error }: Observer<Snapshot>, snapshot: Snapshot, isNews: boolean): void => {
    if (snapshot.status === 'active') return
    if (snapshot.status === 'done' && isNews) guarded(() => next?.(snapshot))
    if (snapshot.status !== 'error') guarded(() => complete?.())
    else if (error) guarded(() => error(snapshot.error))
    else report(snapshot.error)
  }
  return {
    subscribe: (observer, current) => {
      if (current.status === 'active') observers.add(observer)
      else end(observer, current, false)
      return { unsubscribe: () => void observers.delete(observer) }
    },
    on: (type, listener) => {
      const entry = { type, listener }
      listeners.add(entry)
      return { unsubscribe: () => void listeners.delete(entry) }
    },
    next: (snapshot) => {
      const hearing = [...observers]
      if (snapshot.status !== 'active') observers.clear()
      for (const observer of hearing)
        if (snapshot.status === 'active') guarded(() => observer.next?.(snapshot))
        else end(observer, snapshot, true)
    },
    emit: (emitted) => {
      for (const { type, listener } of [...listeners]) if (type === emitted.type || type === '*') guarded(() => listener(emitted))
    },
    clear: () => {
      observers.clear()
      listeners.clear()
    },
  }
}
