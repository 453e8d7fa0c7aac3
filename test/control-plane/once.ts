import { setTimeout as sleep } from 'node:timers/promises'
import { StoreInUse, takeFolder } from '../../src/adapters/nats-server/folder.ts'

const WAIT_MS = 500

type Once = {
  readonly folder: string
  readonly isComplete: () => Promise<boolean>
  readonly build: () => Promise<void>
  /** Told once when another process is at it. */
  readonly onWait: () => void
}

/** Fills a folder that processes share with what is not there yet. Two that want it at once do it one after the other. */
export const builtOnce = async ({ folder, isComplete, build, onWait }: Once): Promise<void> => {
  for (let told = false; !(await isComplete()); ) {
    const taken = takenOrBusy(folder)
    if (taken) {
      await build().finally(taken.release)
    } else {
      if (!told) onWait()
      told = true
      await sleep(WAIT_MS)
    }
  }
}

const takenOrBusy = (folder: string): { release(): void } | undefined => {
  try {
    return takeFolder(folder)
  } catch (error) {
    if (error instanceof StoreInUse) return undefined
    throw error
  }
}
