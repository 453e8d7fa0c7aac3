import { type Memory, memoryNow, shareOf } from './limits.ts'
import { type Pressure, pressureAfter } from './pressure.ts'

export type MemoryWatch = {
  readonly pressure: () => Pressure
  readonly stop: () => void
}

/** A list can bring tens of megabytes in a second. */
const LOOK_MS = 500

/**
 * Looks at the memory in use twice a second.
 * @param onChange hears of every other pressure, and what it was concluded from
 */
export const watchMemory = (
  onChange: (pressure: Pressure, memory: Memory) => void,
  { look = memoryNow, everyMs = LOOK_MS }: { readonly look?: () => Memory; readonly everyMs?: number } = {},
): MemoryWatch => {
  let pressure: Pressure = 'none'
  const timer = setInterval(() => {
    const memory = look()
    const next = pressureAfter(pressure, shareOf(memory))
    if (next === pressure) return
    pressure = next
    onChange(pressure, memory)
  }, everyMs).unref()
  return { pressure: () => pressure, stop: () => clearInterval(timer) }
}
