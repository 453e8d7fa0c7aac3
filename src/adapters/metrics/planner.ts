import type { Metrics } from './registry.ts'

/** The cluster as the planner has it; costs in dollars per hour, undefined: no plan yet. */
type Figures = {
  readonly nodes: number
  readonly pods: number
  readonly hourlyCost: number
  readonly planned?: number | undefined
  readonly bound?: number | undefined
  readonly solveMillis?: number | undefined
}

/** The newest plan, as of the newest figures; nothing before there are any. */
export const plannerMetrics = (metrics: Metrics, figures: () => Figures | undefined): void => {
  const one = (name: string, help: string, value: (figures: Figures) => number | undefined): void =>
    metrics.gauge({ name: `quartermaster_${name}`, help }, () => {
      const known = figures()
      const number = known && value(known)
      return number === undefined ? [] : [[{}, number] as const]
    })
  one('cluster_nodes', 'Nodes in the planner`s model.', ({ nodes }) => nodes)
  one('cluster_pods', 'Pods in the planner`s model.', ({ pods }) => pods)
  one('plan_duration_seconds', 'What making the newest plan took.', ({ solveMillis }) => seconds(solveMillis))
  one('plan_bound_gap_ratio', 'How far the newest plan`s cost is above the proven lower bound: 0.03 is 3 %.', gapOf)
  metrics.gauge(
    {
      name: 'quartermaster_cluster_hourly_cost_dollars',
      help: 'Cost of the nodes per hour: now, after the newest plan, and the lower bound.',
      labels: ['state'],
    },
    () => {
      const { hourlyCost, planned, bound } = figures() ?? {}
      const costs = Object.entries({ now: hourlyCost, planned, bound })
      return costs.flatMap(([state, cost]) => (cost === undefined ? [] : [[{ state }, cost] as const]))
    },
  )
}

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1_000)
const gapOf = ({ planned, bound }: Figures): number | undefined =>
  planned === undefined || bound === undefined || bound <= 0 ? undefined : planned / bound - 1
