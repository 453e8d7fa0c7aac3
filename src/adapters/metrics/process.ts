import { type Metrics, SHORT } from './registry.ts'

type Memory = {
  readonly containerLimit: number | undefined
  readonly heapLimit: number
  readonly resident: number
  readonly heapUsed: number
}

/** A turn is looked for so often: shorter delays are not seen. */
const TURN_MS = 20

/** The process itself: CPU, memory, pressure, and how late the event loop is. The result ends the looking. */
export const processMetrics = (
  metrics: Metrics,
  memoryNow: () => Memory,
  pressure: () => 'none' | 'some' | 'high',
): (() => void) => {
  const delay = metrics.histogram(
    {
      name: 'quartermaster_event_loop_delay_seconds',
      help: `How much later than asked for a timer of ${TURN_MS} ms was called.`,
    },
    SHORT,
  )
  const busy = metrics.histogram(
    {
      name: 'quartermaster_event_loop_cpu_seconds',
      help: 'CPU time of the main thread from one such call to the next: a delay that is much longer was that of the machine, which had no CPU for us.',
    },
    SHORT,
  )
  let [askedAt, spent] = [performance.now(), process.threadCpuUsage()]
  const timer = setInterval(() => {
    const now = performance.now()
    delay.observe(Math.max(0, now - askedAt - TURN_MS) / 1_000)
    const { user, system } = process.threadCpuUsage(spent)
    busy.observe((user + system) / 1e6)
    askedAt = now
    spent = process.threadCpuUsage()
  }, TURN_MS).unref()

  const one = (name: string, help: string, value: () => number): void =>
    metrics.gauge({ name, help }, () => [[{}, value()] as const])
  metrics.total({ name: 'process_cpu_seconds_total', help: 'CPU time of the process, all threads.' }, () => {
    const { user, system } = process.cpuUsage()
    return [[{}, (user + system) / 1e6] as const]
  })
  const startedAt = Date.now() / 1_000 - process.uptime()
  one('process_start_time_seconds', 'When the process started, epoch.', () => startedAt)
  one('process_resident_memory_bytes', 'Memory of the process, all threads.', () => memoryNow().resident)
  one('quartermaster_heap_used_bytes', 'Old generation of the main thread`s heap.', () => memoryNow().heapUsed)
  one('quartermaster_heap_limit_bytes', 'What it may use before V8 gives up.', () => memoryNow().heapLimit)
  metrics.gauge(
    { name: 'quartermaster_container_memory_limit_bytes', help: 'Memory that the container may use; absent without a limit.' },
    () => {
      const { containerLimit } = memoryNow()
      return containerLimit === undefined ? [] : [[{}, containerLimit] as const]
    },
  )
  one('quartermaster_memory_pressure', '0: none. 1: pages and queues are smaller. 2: they are as small as they get.', () =>
    ['none', 'some', 'high'].indexOf(pressure()),
  )
  return () => clearInterval(timer)
}
