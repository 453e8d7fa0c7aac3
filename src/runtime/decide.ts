import { type AnyMachineSnapshot, initialTransition, transition } from 'xstate'
import type { Address, Commit, Definition, Intent, JournaledEvent, Timer } from './types.ts'

export type Decision = {
  readonly next: AnyMachineSnapshot
  readonly fx: readonly Intent[]
  readonly em: Commit['em']
  readonly tdel: readonly string[]
  readonly tset: readonly Timer[]
  /** Names of invoked effects whose state the transition left. */
  readonly left: readonly string[]
}
type Action = { readonly type: string; readonly params: any }

/** Pure: what the machine becomes and what it asks for. Undefined: the machine does not accept the event. */
export const decide = (
  definition: Definition,
  self: Address,
  state: AnyMachineSnapshot,
  event: JournaledEvent & { readonly at: number },
): Decision | undefined => {
  if (!state.can(event)) return undefined
  const [next, actions] = transition(definition.machine, state, event)
  return translated(definition, self, next, actions as readonly Action[], event.at)
}

/** Pure: the first state. `at` (epoch ms) joins the input, because a machine reads no clock. */
export const begin = (definition: Definition, self: Address, input: unknown, at: number): Decision => {
  const known = typeof input === 'object' && input !== null ? { ...input, at } : { at }
  const [next, actions] = initialTransition(definition.machine, known)
  return translated(definition, self, next as AnyMachineSnapshot, actions as readonly Action[], at)
}

/** The actor behind a child's name, or undefined if the name is an effect. */
export const childAddress = (definition: Definition, self: Address, src: string, ref: string): Address | undefined => {
  const child = definition.children?.[src]
  return child && { type: child.type, id: child.id === 'parent' ? self.id : ref }
}

const addressed = (text: string): Address => {
  const slash = text.indexOf('/')
  return { type: text.slice(0, slash), id: text.slice(slash + 1) }
}

const translated = (
  definition: Definition,
  self: Address,
  next: AnyMachineSnapshot,
  actions: readonly Action[],
  at: number,
): Decision => {
  const fx: Intent[] = []
  const em: Commit['em'] = []
  const tset = new Map<string, Timer>()
  const tdel: string[] = []
  const left: string[] = []
  actions.forEach(({ type, params }, i) => {
    switch (type) {
      case 'xstate.spawnChild': {
        const to = childAddress(definition, self, params.src, params.id)
        const asked = { i, name: params.src, ref: params.id, ...(params.input !== undefined && { input: params.input }) }
        fx.push(to ? { ...asked, kind: 'spawn', to } : { ...asked, kind: 'invoke' })
        break
      }
      case 'xstate.stopChild': {
        if (!params) break
        const to = childAddress(definition, self, params.src, params.id)
        if (to) fx.push({ i, kind: 'stop', name: params.src, ref: params.id, to })
        else left.push(params.id)
        break
      }
      case 'xstate.raise': // without a delay it is already part of this transition
        if (params.delay !== undefined) {
          const id = params.id ?? `${next.machine.id}.raise.${i}`
          tset.set(id, { id, due: at + params.delay, ev: params.event })
        }
        break
      case 'xstate.cancel':
        tset.delete(params.sendId)
        tdel.push(params.sendId)
        break
      case 'xstate.emit':
        em.push({ i, ev: params.event })
        break
      case 'tell':
        fx.push({ i, kind: 'send', name: params.event.type, to: addressed(params.to), input: params.event })
        break
      default:
        if (type.startsWith('xstate.')) throw new Error(`${self.type}: ${type} is not journaled; use tell, emit or an effect`)
        fx.push({ i, kind: 'action', name: type, ...(params !== undefined && { input: params }) })
    }
  })
  return { next, fx, em, tdel, tset: [...tset.values()], left }
}
