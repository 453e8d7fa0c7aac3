import { randomUUID } from 'node:crypto'

/** What is chosen by chance, so that it can be chosen again the same way. */
export type Chance = {
  /** A name that nobody else has. */
  unique(): string
  /** From 0 to below 1. */
  fraction(): number
}

export const systemChance: Chance = { unique: () => randomUUID(), fraction: () => Math.random() }
