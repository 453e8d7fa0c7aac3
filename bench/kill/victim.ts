import { appendFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { format } from 'node:util'
import { z } from 'zod'
import { fixedAccess } from '../../src/adapters/kubernetes/access.ts'
import { connectFirst } from '../../src/commands/up/beginning.ts'
import { startSystem } from '../../src/commands/up/system.ts'
import { RemovalSettings } from '../../src/events/removal.ts'
import type { Log } from '../../src/runtime/ground.ts'

const Beginning = z.object({
  nats: z.string(),
  cluster: z.string(),
  server: z.string(),
  token: z.string(),
  /** Where warnings and errors go: the lines that explain a failure. */
  log: z.string(),
})
/** What a victim needs to know to begin. */
export type Beginning = z.infer<typeof Beginning>

/** Nothing is careful in a world that exists to be disturbed. */
const policy = { nodeGraceSeconds: 0, aggressive: true, maxNodesPerWave: 10 }

const logTo = (file: string): Log => {
  const write =
    (level: string) =>
    (fields: object, message: string): void =>
      appendFileSync(file, `${new Date().toISOString()} ${process.pid} ${level} ${message} ${format('%j', fields)}\n`)
  return { debug: () => {}, info: () => {}, warn: write('warn'), error: write('error') }
}

const begin = async (message: unknown): Promise<void> => {
  const { nats, cluster, server, token, log } = Beginning.parse(message)
  const system = await startSystem({
    nats: { servers: nats },
    cluster,
    access: fixedAccess({ server, token }),
    context: 'simulated',
    mayWrite: true,
    policy,
    prices: {},
    log: logTo(log),
    alone: true,
    removal: RemovalSettings.parse({ deleteNodeObjects: true }),
    acceptLoss: false,
  })
  await connectFirst(system, cluster)
  process.send?.('ready')
}

// Everything is loaded before the word to begin, so that little of a short life goes into reading modules.
process.once('message', (message) => void begin(message))
process.once('disconnect', () => process.exit(1)) // the bench is gone
flushCompileCache() // who is killed does not write it when it ends
process.send?.('loaded')
