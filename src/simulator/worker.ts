import { randomBytes } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { beginOpenb } from './openb/world.ts'
import { createSimulator } from './simulator.ts'
import type { Beginning } from './store.ts'

const Data = z.object({
  folder: z.string(),
  trace: z.literal('openb'),
  seed: z.int(),
  nodes: z.int().optional(),
  port: z.int().optional(),
})

const port = parentPort
if (!port) throw new Error('the simulator is started as a worker thread: use startSimulator')
const { folder, trace, seed, nodes, port: wanted = 0 } = Data.parse(workerData)
const token = randomBytes(24).toString('base64url')
const world = nodes === undefined ? trace : `${trace}-${nodes}`
const begin = (store: Beginning): void => beginOpenb(store, nodes)
const simulator = await createSimulator({ folder, world, seed, begin, token, port: wanted })
port.postMessage({ url: simulator.url, token })
port.once('message', () => {
  simulator.stop().then(
    () => port.close(),
    (error: unknown) => {
      throw error // as the worker's own error: whoever stops it is told
    },
  )
})
