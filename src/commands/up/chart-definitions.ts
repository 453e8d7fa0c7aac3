import { chartMigrations, chartRollback, chartUninstall, chartUpsert } from '../../actors/controller/charts/chart-action.ts'
import { type ChartMeans, chartEffects } from '../../actors/controller/charts/effects.ts'
import { chartEvents } from '../../events/charts.ts'
import { orderEvents } from '../../events/verbs.ts'
import type { ActorDef, Definition, OneShot } from '../../runtime/types.ts'

/** The actor types of actions on releases. */
export const chartDefinitions = (means: ChartMeans, oneShot: OneShot): readonly Definition[] => {
  const upsert: ActorDef<typeof chartUpsert> = {
    type: 'chart-upsert',
    version: 2,
    migrate: chartMigrations,
    oneShot,
    machine: chartUpsert,
    events: chartEvents('chart-upsert'),
    effects: chartEffects(means, 'ChartUpsert'),
  }
  const uninstall: ActorDef<typeof chartUninstall> = {
    type: 'chart-uninstall',
    version: 2,
    migrate: chartMigrations,
    oneShot,
    machine: chartUninstall,
    events: chartEvents('chart-uninstall'),
    effects: chartEffects(means, 'ChartUninstall'),
  }
  const rollback: ActorDef<typeof chartRollback> = {
    type: 'chart-rollback',
    version: 2,
    migrate: chartMigrations,
    oneShot,
    machine: chartRollback,
    events: chartEvents('chart-rollback'),
    effects: chartEffects(means, 'ChartRollback'),
  }
  return [upsert, uninstall, rollback]
}

const OFF = 'charts are off: start with --charts FILE (docs/charts.md)'

/** The orders of charts, as the controller hears them: without a policy it hears none. */
export const chartOrders = (means: ChartMeans | undefined) => {
  const barred = means?.policy === undefined && { barred: OFF }
  return {
    'controller.ChartUpsert': { ...orderEvents['controller.ChartUpsert'], ...barred },
    'controller.ChartUninstall': { ...orderEvents['controller.ChartUninstall'], ...barred },
    'controller.ChartRollback': { ...orderEvents['controller.ChartRollback'], ...barred },
  }
}
