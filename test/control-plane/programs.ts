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
  /** From now on a program that ends by itself is started again, as a kubelet does it: schedulers do so after an outage. */
  supervise(): void
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
/** What ends more often than that is broken. */
const REVIVALS = 5
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
  const revivals = new Map<Daemon, number>()
  const meantToEnd = new Set<Running>()
  let isSupervised = false
  const begin = (name: Daemon): void => {
    const args = given.get(name) ?? flags[name]()
    given.set(name, args)
    const program = run(name, binaries.programs[name], args, folder)
    running.set(name, program)
    void program.exited.then(() => revive(program, name))
  }
  const revive = (program: Running, name: Daemon): void => {
    const count = revivals.get(name) ?? 0
    if (!isSupervised || meantToEnd.has(program) || count >= REVIVALS) return
    revivals.set(name, count + 1)
    begin(name)
  }
  const kill = async (name: Daemon): Promise<void> => {
    const program = running.get(name)
    if (!program) return
    meantToEnd.add(program)
    await program.kill()
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
      await kill(name)
      begin(name)
    },
    supervise: () => {
      isSupervised = true
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
      isSupervised = false
      for (const name of ENDING) await kill(name)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}
