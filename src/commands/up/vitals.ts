import { setTimeout as sleep } from 'node:timers/promises'
import type { ListenAddress } from '../../adapters/http/address.ts'
import { type Check, healthPage } from '../../adapters/http/health.ts'
import { type Page, startListener } from '../../adapters/http/listener.ts'
import type { Reading } from '../../adapters/jetstream/objects-observed.ts'
import { memoryNow } from '../../adapters/memory/limits.ts'
import type { Pressure } from '../../adapters/memory/pressure.ts'
import { actionMeter } from '../../adapters/metrics/actions.ts'
import { type AgentMeter, agentMeter, agentMetrics } from '../../adapters/metrics/agent.ts'
import { plannerMetrics } from '../../adapters/metrics/planner.ts'
import { processMetrics } from '../../adapters/metrics/process.ts'
import { createMetrics } from '../../adapters/metrics/registry.ts'
import { hostMetrics, runtimeMeter } from '../../adapters/metrics/runtime.ts'
import type { Log } from '../../runtime/ground.ts'
import type { Host } from '../../runtime/host.ts'
import type { Meter } from '../../runtime/meter.ts'
import { aliveChecks, type Picture, readyChecks } from './health.ts'
import type { Figures } from './planner.ts'

/** What is looked at once the system is there. */
type Observed = {
  readonly host: Host
  readonly readings: () => readonly Reading[]
  /** Monotonic ms. */
  readonly journalAt: () => number
  readonly pressure: () => Pressure
  readonly figures: () => Promise<Figures>
}

export type Vitals = {
  readonly url: string
  readonly runtime: Meter
  readonly agent: AgentMeter
  readonly attach: (observed: Observed) => void
  readonly stop: () => Promise<void>
}

/** A planner that plans answers when it is done; a scrape does not wait for it. */
const FIGURES_MS = 500

/** `/metrics`, `/healthz` and `/readyz` on one address, from before the system is there until after it is gone. */
export const startVitals = async (address: ListenAddress, log: Log): Promise<Vitals> => {
  const metrics = createMetrics()
  let observed: Observed | undefined
  let figures: Figures | undefined
  let endProcess = (): void => {}

  const refresh = async (): Promise<void> => {
    const asked = observed?.figures().then(
      (newest) => {
        figures = newest
      },
      (error: Error) => log.debug({ err: error.message }, 'the planner gave no figures for the metrics'),
    )
    await Promise.race([asked, sleep(FIGURES_MS, undefined, { ref: false })])
  }
  const metricsPage = async (): Promise<Page> => {
    await refresh()
    return { status: 200, contentType: metrics.contentType, body: await metrics.text() }
  }
  const judged = (judge: (picture: Picture) => readonly Check[], before: Check): readonly Check[] =>
    observed ? judge(pictureOf(observed)) : [before]

  const listener = await startListener(
    address,
    {
      '/metrics': metricsPage,
      '/healthz': () => healthPage('healthz', judged(aliveChecks, { name: 'loop', note: 'the system is starting' })),
      '/readyz': () => healthPage('readyz', judged(readyChecks, { name: 'system', trouble: 'it is starting' })),
    },
    (path, error) => log.error({ path, err: error }, 'a page could not be made'),
  )
  return {
    url: listener.url,
    runtime: counting(runtimeMeter(metrics), actionMeter(metrics)),
    agent: agentMeter(metrics),
    attach: (found) => {
      observed = found
      hostMetrics(metrics, found.host)
      agentMetrics(metrics, found.readings)
      plannerMetrics(metrics, () => figures)
      endProcess = processMetrics(metrics, memoryNow, found.pressure)
    },
    stop: async () => {
      endProcess()
      await listener.stop()
    },
  }
}

/** Also what the commits say of actions. */
const counting = (runtime: Meter, actions: ReturnType<typeof actionMeter>): Meter => ({
  ...runtime,
  committed: (actor, commit, ms) => {
    runtime.committed(actor, commit, ms)
    actions(actor.type, actor.id, commit)
  },
})

const pictureOf = ({ host, readings, journalAt }: Observed): Picture => ({
  now: performance.now(),
  types: host.serving(),
  journalAt: journalAt(),
  hasAgent: host.actors().some(({ self, book }) => self.type === 'agent' && book()?.state.status === 'active'),
  readings: readings(),
})
