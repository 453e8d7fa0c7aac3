import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { readIfThere, type ServerFolder } from './folder.ts'
import type { ServerProcess } from './process.ts'

/** Milliseconds: a large store is read before the port opens. */
const READY_MS = 120_000
const ANSWER_MS = 1_000
const Info = z.object({ server_name: z.string() })

/** The server ended before it was ready. */
export class NotStarted extends Error {
  override name = 'NotStarted'
  readonly portTaken: boolean
  constructor(message: string, portTaken: boolean) {
    super(message)
    this.portTaken = portTaken
  }
}

/** Waits until the server on the port greets with this name. @throws NotStarted when it ends, or does not in two minutes */
export const ready = async (server: ServerProcess, folder: ServerFolder, name: string, port: number): Promise<void> => {
  for (let pause = 2, waited = 0; ; waited += pause, pause = Math.min(pause * 1.5, 100)) {
    const greeted = await Promise.race([greeting(port), server.exited])
    const exit = server.exit()
    if (exit) throw notStarted(`nats-server ended at once (${exit.signal ?? exit.code})`, folder)
    if (greeted === name) return
    if (waited > READY_MS) {
      await server.stop()
      throw notStarted(`nats-server did not answer on port ${port} in ${READY_MS / 1000} s`, folder)
    }
    await sleep(pause)
  }
}

const notStarted = (what: string, folder: ServerFolder): NotStarted => {
  const last = (readIfThere(folder.log) ?? '').trimEnd().split('\n').slice(-5).join('\n')
  return new NotStarted(`${what}; its log ${folder.log} ends with:\n${last}`, last.includes('address already in use'))
}

/** The name in the first line that a server sends; undefined when nobody listens or it is no nats-server. */
const greeting = async (port: number): Promise<string | undefined> => {
  const socket = createConnection({ host: '127.0.0.1', port })
  const timer = setTimeout(() => socket.destroy(), ANSWER_MS)
  try {
    let said = ''
    for await (const chunk of socket) {
      said += String(chunk)
      if (said.includes('\n')) break
    }
    return Info.parse(JSON.parse(/^INFO (.*)\r?\n/.exec(said)?.[1] ?? 'null')).server_name
  } catch {
    // Not listening yet, or somebody else's port: both mean that the server is not ready.
    return undefined
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

/** A port of the loopback interface that is free now. */
export const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port on 127.0.0.1')
  return address.port
}
