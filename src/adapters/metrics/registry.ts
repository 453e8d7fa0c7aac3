import { Counter, Gauge, Histogram, Registry } from 'prom-client'

type Described = { readonly name: string; readonly help: string; readonly labels?: readonly string[] }
/** The labels and the value of one series. */
type Series = readonly [labels: Readonly<Record<string, string>>, value: number]

/** A set of metrics. Labels are bounded: actor types, effects, kinds, verbs; never an object's name. */
export type Metrics = {
  readonly counter: (described: Described) => Counter
  /** @param bounds upper bounds of the buckets, seconds */
  readonly histogram: (described: Described, bounds: readonly number[]) => Histogram
  /** What is known elsewhere and asked for at each scrape. */
  readonly gauge: (described: Described, read: () => Iterable<Series>) => void
  /** The same for what only grows. */
  readonly total: (described: Described, read: () => Iterable<Series>) => void
  /** In the text format 0.0.4. */
  readonly text: () => Promise<string>
  readonly contentType: string
}

/** Upper bounds in seconds for what takes milliseconds as a rule. */
export const SHORT = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]
/** And for what takes seconds. */
export const LONG = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/** None is global: two systems in one process do not share them. */
export const createMetrics = (): Metrics => {
  const registry = new Registry()
  const common = ({ name, help, labels = [] }: Described) => ({ name, help, labelNames: [...labels], registers: [registry] })
  return {
    counter: (described) => new Counter(common(described)),
    histogram: (described, bounds) => new Histogram({ ...common(described), buckets: [...bounds] }),
    gauge: (described, read) => {
      const gauge: Gauge = new Gauge({
        ...common(described),
        collect: () => {
          gauge.reset()
          if ((described.labels ?? []).length === 0) gauge.remove() // it would be 0
          for (const [labels, value] of read()) gauge.set(labels, value)
        },
      })
    },
    total: (described, read) => {
      const counter: Counter = new Counter({
        ...common(described),
        collect: () => {
          counter.reset()
          for (const [labels, value] of read()) counter.inc(labels, value)
        },
      })
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
