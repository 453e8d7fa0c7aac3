import { search } from '../../src/actors/evictor/fit.ts'
import type { Model } from '../../src/actors/evictor/model.ts'
import { readSnapshot } from '../../src/commands/snapshot.ts'

/** Read in a process of its own: its memory is that of the model and of reading it. */

const MOVES = 100_000
const QUESTIONS = 300
const seconds = (startedAt: number): number => (performance.now() - startedAt) / 1000

const moved = (model: Model): number => {
  const [pods, nodes] = [[...model.pods.values()], [...model.nodes.values()]]
  const startedAt = performance.now()
  const mark = model.mark()
  for (let n = 0; n < MOVES; n += 1) {
    const pod = pods[(n * 7919) % pods.length]
    if (pod) model.move(pod, nodes[(n * 104_729) % nodes.length])
  }
  model.rollback(mark)
  return (2 * MOVES) / seconds(startedAt)
}

/** Where one pod after the other may go, every node asked. */
const asked = (model: Model): number => {
  const [pods, nodes] = [[...model.pods.values()], [...model.nodes.values()]]
  let yes = 0
  const startedAt = performance.now()
  for (let n = 0; n < QUESTIONS; n += 1) {
    const pod = pods[(n * 7919) % pods.length]
    if (!pod) continue
    const mark = model.mark()
    model.move(pod, undefined)
    const found = search(model, pod.shape)
    for (const node of nodes) if (found?.quick(node) && !found.rest?.(node)) yes += 1
    model.rollback(mark)
  }
  if (yes === 0) throw new Error('no pod fits anywhere: the bench asks nothing')
  return (QUESTIONS * nodes.length) / seconds(startedAt)
}

const file = process.argv[2] ?? ''
const startedAt = performance.now()
const { model } = readSnapshot(file)
const read = seconds(startedAt)
const cpu = process.cpuUsage()
const peak = process.resourceUsage().maxRSS / 1024
globalThis.gc?.()
const { heapUsed, arrayBuffers } = process.memoryUsage()
process.stdout.write(
  JSON.stringify({
    nodes: model.nodes.size,
    pods: model.pods.size,
    shapes: model.shapes.size,
    readSeconds: read,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    peakMib: peak,
    modelMib: (heapUsed + arrayBuffers) / 2 ** 20,
    movesPerSecond: moved(model),
    questionsPerSecond: asked(model),
  }),
)
