import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, JSONCodec, type NatsConnection } from 'nats'
import { ensureStreams } from '../src/adapters/jetstream/streams.ts'
import { findNatsServer } from '../src/adapters/nats-server/find.ts'
import { startNatsServer } from '../src/adapters/nats-server/start.ts'
import type { Commit } from '../src/runtime/types.ts'
import { type Figure, figure, median } from './figures.ts'

const ROUNDS = 3
const COMMANDS_MS = 10
const HOST = fileURLToPath(new URL('./failover/host.ts', import.meta.url))
const commits = JSONCodec<Pick<Commit, 'own' | 'ev'>>()
const text = new TextDecoder()

type Process = { readonly name: string; readonly child: ChildProcess; readonly ended: Promise<unknown> }
/** When each process did it for the first time, on the monotonic clock, ms. */
type First = { readonly decided: Map<string, number>; readonly reached: Map<string, number> }

/** Watches who decides commands and who reaches out into the world. */
const observe = (nc: NatsConnection): First => {
  const first: First = { decided: new Map(), reached: new Map() }
  const note = (seen: Map<string, number>, name: string): void => {
    if (!seen.has(name)) seen.set(name, performance.now())
  }
  nc.subscribe('qm.bench.journal.counter.>', {
    callback: (error, { data }) => {
      if (error) throw error
      const { own, ev } = commits.decode(data)
      if (ev.type === 'counter.Step') note(first.decided, own.split('.')[0] ?? own)
    },
  })
  nc.subscribe('bench.reached', {
    callback: (error, { data }) => {
      if (error) throw error
      note(first.reached, text.decode(data))
    },
  })
  return first
}

const WAIT_MS = 60_000
const has = async (seen: Map<string, number>, name: string, what: string): Promise<number> => {
  for (const until = performance.now() + WAIT_MS; performance.now() < until; ) {
    const at = seen.get(name)
    if (at !== undefined) return at
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`${name} ${what} nothing within ${WAIT_MS} ms`)
}

let started = 0
const start = async (url: string): Promise<Process> => {
  const name = `process-${++started}`
  const child = fork(HOST, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = once(child, 'exit')
  child.send({ url, name })
  await Promise.race([
    once(child, 'message'),
    ended.then(() => {
      throw new Error(`${name} ended before it waited for its turn`)
    }),
  ])
  return { name, child, ended }
}

type Taken = { readonly decided: number; readonly reached: number }

/** Ends the process that hosts, under load, and measures until the one that waits does its work, s. */
const follow = async (first: First, hosting: Process, waiting: Process, signal: NodeJS.Signals): Promise<Taken> => {
  await has(first.reached, hosting.name, 'reached')
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  const endedAt = performance.now()
  hosting.child.kill(signal)
  const decided = ((await has(first.decided, waiting.name, 'decided')) - endedAt) / 1000
  const reached = ((await has(first.reached, waiting.name, 'reached')) - endedAt) / 1000
  await hosting.ended
  return { decided, reached }
}

const measured = async (nc: NatsConnection, url: string): Promise<Readonly<Record<'SIGKILL' | 'SIGTERM', readonly Taken[]>>> => {
  const first = observe(nc)
  const load = setInterval(() => nc.publish('qm.bench.cmd.counter.Step', '{}'), COMMANDS_MS)
  const taken = { SIGKILL: [] as Taken[], SIGTERM: [] as Taken[] }
  const alive = new Set<Process>()
  const begin = async (): Promise<Process> => {
    const process = await start(url)
    alive.add(process)
    return process
  }
  try {
    let hosting = await begin()
    for (let round = 0; round < ROUNDS; round++)
      for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
        await has(first.decided, hosting.name, 'decided')
        const waiting = await begin()
        taken[signal].push(await follow(first, hosting, waiting, signal))
        alive.delete(hosting)
        hosting = waiting
      }
    return taken
  } finally {
    clearInterval(load)
    for (const { child, ended } of alive) {
      child.kill('SIGKILL')
      await ended
    }
  }
}

const medianOf = (taken: readonly Taken[], what: keyof Taken): number => median(taken.map((each) => each[what]))

/** Two processes over one nats-server; one decides 100 commands a second until it is ended, the other follows. */
export const run = async (): Promise<readonly Figure[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-bench-'))
  const { path } = await findNatsServer({ onProgress: (message) => process.stderr.write(`${message}\n`) })
  const server = await startNatsServer({ binary: path, storeFolder: folder, name: 'bench', auth: 'none' })
  const nc = await connect({ servers: server.url })
  try {
    await ensureStreams(nc, 'bench', ['counter'])
    const { SIGKILL, SIGTERM } = await measured(nc, server.url)
    return [
      figure('after kill -9: until the next process decides commands', medianOf(SIGKILL, 'decided'), 's'),
      figure('after kill -9: until its effects reach the world', medianOf(SIGKILL, 'reached'), 's'),
      figure('after SIGTERM: until the next process decides commands', medianOf(SIGTERM, 'decided'), 's'),
      figure('after SIGTERM: until its effects reach the world', medianOf(SIGTERM, 'reached'), 's'),
    ]
  } finally {
    await nc.close()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
