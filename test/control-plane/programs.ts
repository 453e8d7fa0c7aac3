import { rmSync } from 'node:fs'
import { until } from '../kubernetes-client.ts'
import type { Binaries, Program } from './binaries.ts'
import { type Running, run } from './process.ts'

export type Daemon = Exclude<Program, 'kubectl'>
export type Programs = {
  begin(name: Daemon): void
  /** Kills it without warning and starts it again with the same flags. */
  restart(name: Daemon): Promise<void>
  signal(name: Daemon, signal: NodeJS.Signals): void
  /** @throws Error naming the program that ended, or what did not come */
  ready(what: string, isReady: () => Promise<boolean>): Promise<void>
  /** Ends all, by process id, and removes the folder. */
  end(): Promise<void>
}

/** Another process took a port after it was found free. */
export class PortTaken extends Error {
  override name = 'PortTaken'
}

/** Backwards: nobody is to complain of one that has gone before. */
const ENDING: readonly Daemon[] = ['kwok', 'kube-scheduler', 'kube-controller-manager', 'kube-apiserver', 'etcd']
/** A busy machine starts them in 20 seconds. */
const READY_MS = 180_000

/** The programs of one control plane. Flags are asked for once, when a program first begins. */
export const programsIn = (
  folder: string,
  binaries: Binaries,
  flags: Readonly<Record<Daemon, () => readonly string[]>>,
): Programs => {
  const running = new Map<Daemon, Running>()
  const given = new Map<Daemon, readonly string[]>()
  const begin = (name: Daemon): void => {
    const args = given.get(name) ?? flags[name]()
    given.set(name, args)
    running.set(name, run(name, binaries.programs[name], args, folder))
  }
  const demandAlive = (what: string): void => {
    for (const { name, ended, lastWords } of running.values()) {
      const how = ended()
      if (how === undefined) continue
      const message = `${name} ended (${how}) before ${what}; its log ends with:\n${lastWords()}`
      throw message.includes('address already in use') ? new PortTaken(message) : new Error(message)
    }
  }
  return {
    begin,
    restart: async (name) => {
      await running.get(name)?.kill()
      begin(name)
    },
    signal: (name, signal) => running.get(name)?.signal(signal),
    ready: async (what, isReady) => {
      const ask = async (): Promise<boolean> => {
        demandAlive(what)
        return isReady()
      }
      await until(what, ask, { longestMs: READY_MS })
    },
    end: async () => {
      for (const name of ENDING) await running.get(name)?.kill()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}
