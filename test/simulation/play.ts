import type { Governor } from '../../src/runtime/licence.ts'
import type { Address, Commit, Definition } from '../../src/runtime/types.ts'
import type { Script } from './effects.ts'
import type { Random } from './random.ts'

/** A command as people give it. */
export type Order = { readonly type: string; readonly verb: string; readonly id?: string; readonly payload: object }

/** Machines, the world that they act on, and what people ask of them. */
export type Play = {
  readonly definitions: readonly Definition[]
  readonly root: { readonly address: Address; readonly input?: unknown }
  readonly unhosted: readonly string[]
  readonly governor: Governor
  readonly script: Script
  readonly order: (random: Random, count: number) => Order
  /** What brings everything to rest. */
  readonly rest: readonly Order[]
  /** Whether the root, after this commit, asks for nothing more. */
  readonly isAtRest: (root: Commit) => boolean
  /** Failures that may be logged, by their message: the machines are meant to meet them. */
  readonly expected: readonly string[]
}
