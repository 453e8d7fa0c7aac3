import { workerData } from 'node:worker_threads'
import loader from 'highs'
import type { Order } from './solver.ts'

const { program, port, done } = workerData as Order

// Its one file of types speaks of the CommonJS module; imported, the loader itself is the default.
const loadHighs = loader as unknown as typeof loader.default

const highs = await loadHighs()
const numCols = program.cost.length
const numRows = program.rowLower.length
const optimalDuals = (): Float64Array | undefined =>
  highs.withModel(
    {
      numCols,
      numRows,
      colCost: program.cost,
      colLower: program.lower,
      colUpper: program.upper,
      rowLower: program.rowLower,
      rowUpper: program.rowUpper,
      matrix: {
        format: 'csc',
        numCols,
        numRows,
        starts: program.starts,
        indices: program.indices,
        values: program.values,
      },
    },
    (model) => {
      model.options.set('output_flag', false)
      const { modelStatus } = model.run()
      return modelStatus === highs.constants.modelStatus.optimal
        ? Float64Array.from(model.getSolution().rowDual ?? [])
        : undefined
    },
  )

try {
  port.postMessage(optimalDuals())
} finally {
  Atomics.store(done, 0, 1)
  Atomics.notify(done, 0)
}
