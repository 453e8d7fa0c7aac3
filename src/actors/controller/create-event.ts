import type { CreateEvent } from '../../events/orders.ts'
import { type ChainEffects, chain } from './chain.ts'

/** An event as it is told to Kubernetes. */
export type Note = Pick<CreateEvent, 'reportingComponent' | 'eventType' | 'reason' | 'action' | 'message'> & {
  /** The action that tells it: an action tells one thing once. */
  readonly id: string
  readonly regarding: CreateEvent['objectReference']
  readonly eventTime?: string | undefined
}
type Inputs = { readonly createEvent: Note }
export type CreateEventEffects = ChainEffects<object, Inputs>

/** Tells Kubernetes of an event about an object. */
export const createEvent = chain<CreateEvent, object, Inputs>({
  type: 'create-event',
  verb: 'CreateEvent',
  steps: {
    creating: {
      effect: 'createEvent',
      input: ({ requester: _, objectReference: regarding, ...note }) => ({ ...note, regarding }),
    },
  },
})
