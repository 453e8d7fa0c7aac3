import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { actionMeter } from '../../../src/adapters/metrics/actions.ts'
import { agentMeter, agentMetrics } from '../../../src/adapters/metrics/agent.ts'
import { plannerMetrics } from '../../../src/adapters/metrics/planner.ts'
import { processMetrics } from '../../../src/adapters/metrics/process.ts'
import { createMetrics } from '../../../src/adapters/metrics/registry.ts'
import { hostMetrics, runtimeMeter } from '../../../src/adapters/metrics/runtime.ts'
import type { Command } from '../../../src/runtime/inbox.ts'
import type { Commit } from '../../../src/runtime/types.ts'
import { type Family, families, sampled } from '../../scrape.ts'

const MIB = 2 ** 20
const self = { type: 'drain-node', id: 'a' }
const command = (verb: string): Command => ({ type: 'controller', verb, id: 'a', cmd: 'c', payload: {}, sentAt: 0 })
const reading = {
  kind: 'deployments.apps',
  state: 'streaming',
  heldMs: 1_500,
  events: { ADDED: 3, MODIFIED: 2, DELETED: 1, BOOKMARK: 4 },
  lists: 2,
  stalls: 1,
  malformed: 1,
  store: { meta: () => ({ count: 7, observedAt: 2_000 }), waiting: () => 5, malformedCount: () => 2 },
}
const figures = { nodes: 10, pods: 100, hourlyCost: 5, planned: 4.12, bound: 4, solveMillis: 250 }

/** Everything there is, each told of once. */
const scraped = async (): Promise<ReadonlyMap<string, Family>> => {
  const metrics = createMetrics()
  const runtime = runtimeMeter(metrics)
  runtime.committed(self, {} as Commit, 3)
  runtime.committed(self, {} as Commit, 30)
  runtime.fenced(self)
  runtime.decided(command('DrainNode'), { ok: true, n: 1, to: 'a' })
  runtime.decided(command('DrainNode'), { ok: false, why: 'duplicate', detail: '' })
  runtime.decided(command('$Spawn'), { ok: true, n: 1, to: 'a' })
  runtime.attempted(self, 'evict')()
  runtime.attempted(self, 'evict')(Object.assign(new Error('no'), { name: 'Blocked' }))
  runtime.attempted(self, 'evict')(Object.assign(new Error('no'), { name: 'pod a-1 is "blocked"\n' }))
  const actions = actionMeter(metrics)
  const told = (type: string, id: string, ts: number, facts: readonly object[], set: readonly unknown[] = []) =>
    actions(type, id, { ts, em: facts.map((ev) => ({ ev })), p: { set } } as never)
  told('controller', 'demo', 1_000, [{ type: 'controller.ActionAccepted', action: 'x', verb: 'DrainNode' }])
  told('controller', 'demo', 1_000, [{ type: 'controller.ActionRefused', action: 'y', verb: 'Patch' }])
  told('drain-node', 'x', 2_000, [], [[['value'], 'working']])
  told(
    'drain-node',
    'x',
    3_000,
    [],
    [
      [['status'], 'done'],
      [['output'], { outcome: 'done' }],
    ],
  )
  hostMetrics(metrics, {
    census: () => new Map([['evictor', { residents: 1, waiting: 2, open: 3, parked: 4 }]]),
    serving: () =>
      new Map([
        ['evictor', { stage: 'serving' }],
        ['spot', { stage: 'waiting' }],
      ]),
    quarantined: () => new Map([['eviction/a/b', 'a hole']]),
  })
  const agent = agentMeter(metrics)
  agent.answered('list', 200, 12)
  agent.answered('watch', undefined, 5_000)
  agent.listed('pods', 1_200)
  agent.stored({ sinceHeard: 4, sinceCreated: undefined })
  agent.stored({ sinceHeard: 6, sinceCreated: -400 })
  agentMetrics(metrics, () => [reading, { ...reading, kind: 'pods', state: 'closed', store: undefined }])
  plannerMetrics(metrics, () => figures)
  const memory = { containerLimit: 512 * MIB, heapLimit: 256 * MIB, resident: 100 * MIB, heapUsed: 50 * MIB }
  const end = processMetrics(
    metrics,
    () => memory,
    () => 'high',
  )
  end()
  return families(await metrics.text())
}

test('metrics: a scrape can be read back, with the values that were told', async () => {
  const seen = await scraped()
  const values = {
    commits: sampled(seen, 'quartermaster_commits_total', { actor: 'drain-node' }),
    fast: sampled(seen, 'quartermaster_commit_duration_seconds_bucket', { le: '0.005' }),
    fences: sampled(seen, 'quartermaster_fences_total', { actor: 'drain-node' }),
    accepted: sampled(seen, 'quartermaster_commands_total', { actor: 'controller', outcome: 'accepted' }),
    duplicate: sampled(seen, 'quartermaster_commands_total', { actor: 'controller', outcome: 'duplicate' }),
    attempts: sampled(seen, 'quartermaster_effect_attempts_total', { actor: 'drain-node', effect: 'evict' }),
    blocked: sampled(seen, 'quartermaster_effect_failures_total', { error: 'Blocked' }),
    unnamed: sampled(seen, 'quartermaster_effect_failures_total', { error: 'Error' }),
    started: sampled(seen, 'quartermaster_actions_started_total', { verb: 'DrainNode' }),
    refused: sampled(seen, 'quartermaster_actions_refused_total', { verb: 'Patch' }),
    executed: sampled(seen, 'quartermaster_actions_executed_total', { verb: 'DrainNode', outcome: 'done' }),
    took: sampled(seen, 'quartermaster_action_duration_seconds_sum', { verb: 'DrainNode' }),
    parked: sampled(seen, 'quartermaster_effects_parked', { actor: 'evictor' }),
    quarantined: sampled(seen, 'quartermaster_actors_quarantined', { actor: 'eviction' }),
    served: sampled(seen, 'quartermaster_actor_type_served', { actor: 'spot' }),
    unanswered: sampled(seen, 'quartermaster_kubernetes_request_duration_seconds_count', { verb: 'watch', code: '' }),
    bookmarks: sampled(seen, 'quartermaster_agent_watch_events_total', { kind: 'deployments.apps', type: 'BOOKMARK' }),
    objects: sampled(seen, 'quartermaster_agent_objects', { kind: 'deployments.apps' }),
    closed: sampled(seen, 'quartermaster_agent_objects', { kind: 'pods' }),
    malformed: sampled(seen, 'quartermaster_agent_malformed_objects_total', { kind: 'deployments.apps' }),
    held: sampled(seen, 'quartermaster_agent_backpressure_seconds_total', { kind: 'pods' }),
    published: sampled(seen, 'quartermaster_agent_publish_duration_seconds_sum'),
    ahead: sampled(seen, 'quartermaster_agent_creation_lag_seconds_sum'),
    gap: sampled(seen, 'quartermaster_plan_bound_gap_ratio')?.toFixed(4),
    limit: sampled(seen, 'quartermaster_container_memory_limit_bytes'),
    pressure: sampled(seen, 'quartermaster_memory_pressure'),
  }
  expect(values).toEqual({
    commits: 2,
    fast: 1,
    fences: 1,
    accepted: 1,
    duplicate: 1,
    attempts: 3,
    blocked: 1,
    unnamed: 1,
    started: 1,
    refused: 1,
    executed: 1,
    took: 2,
    parked: 4,
    quarantined: 1,
    served: 0,
    unanswered: 1,
    bookmarks: 4,
    objects: 7,
    closed: undefined,
    malformed: 3,
    held: 1.5,
    published: 0.01,
    ahead: 0,
    gap: '0.0300',
    limit: 512 * MIB,
    pressure: 2,
  })
})

test('metrics: buckets grow to the count, and the sum is of what was observed', async () => {
  const histograms = [...(await scraped()).values()].filter(({ type }) => type === 'histogram')
  expect(histograms.length).toBeGreaterThan(4)
  for (const { name, samples } of histograms) {
    const { le: _, ...first } = samples[0]?.labels ?? {}
    const own = samples.filter(({ labels: { le: __, ...labels } }) => JSON.stringify(labels) === JSON.stringify(first))
    const counts = own.filter((sample) => sample.name === `${name}_bucket`).map(({ value }) => value)
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
    expect(own.find((sample) => sample.name === `${name}_count`)?.value ?? 0).toBe(counts.at(-1) ?? 0)
  }
})

test('metrics: a scrape a second time says the same, and not the double', async () => {
  const metrics = createMetrics()
  agentMetrics(metrics, () => [reading])
  const [first, second] = await Promise.all([metrics.text(), metrics.text()])
  expect(second).toBe(first)
  expect(await metrics.text()).toBe(first)
})

test('metrics: what is not known is not said to be 0', async () => {
  const metrics = createMetrics()
  plannerMetrics(metrics, () => undefined)
  const end = processMetrics(
    metrics,
    () => ({ containerLimit: undefined, heapLimit: 1, resident: 1, heapUsed: 1 }),
    () => 'none',
  )
  end()
  const seen = families(await metrics.text())
  expect(sampled(seen, 'quartermaster_cluster_nodes')).toBeUndefined()
  expect(sampled(seen, 'quartermaster_container_memory_limit_bytes')).toBeUndefined()
  expect(sampled(seen, 'process_resident_memory_bytes')).toBe(1)
})

test('metrics: what the main thread computes between two turns is counted as its CPU time', async () => {
  const metrics = createMetrics()
  const memory = () => ({ containerLimit: undefined, heapLimit: 1, resident: 1, heapUsed: 1 })
  const end = processMetrics(metrics, memory, () => 'none')
  const from = process.threadCpuUsage()
  const burnt = (): number => {
    const { user, system } = process.threadCpuUsage(from)
    return (user + system) / 1e6
  }
  while (burnt() < 0.06);
  const sum = async () => sampled(families(await metrics.text()), 'quartermaster_event_loop_cpu_seconds_sum')
  await expect.poll(sum).toBeGreaterThan(0.05)
  end()
})

test('metrics: docs/metrics.md names each with its type, labels and meaning, and no other', async () => {
  const page = readFileSync('docs/metrics.md', 'utf8')
  const rows = [...(await scraped()).values()].map(({ name, type, help, samples }) => {
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)).filter((label) => label !== 'le'))
    return `| \`${name}\` | ${type} | ${[...labels].map((label) => `\`${label}\``).join(', ')} | ${help} |`
  })
  expect(page.split('\n').filter((line) => /^\| `\w+` \|/.test(line))).toEqual(rows)
})

// promtool's rules (prometheus/client_golang, prometheus/testutil/promlint/validations).
const units =
  /^(?:(?:yocto|zepto|atto|femto|pico|nano|micro|milli|centi|deci|deca|deka|hecto|kilo|kibi|mega|mebi|mibi|giga|gibi|tera|tebi|peta|pebi|exa|zetta|yotta)\w+|minutes|hours|days|weeks|kelvins|fahrenheit|rankine|inches|yards|miles|bits|calories|pounds|ounces|ms|us|ns|sec|kb|mb|gb|tb|pb|s|b|m|h|d)$/
const known = new Set(['actor', 'effect', 'error', 'outcome', 'kind', 'type', 'verb', 'code', 'state'])

const faults = ({ name, help, type, samples }: Family): readonly string[] => {
  const tokens = name.split('_')
  const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)))
  if (type === 'histogram') labels.delete('le')
  return [
    help === '' && 'no help',
    type === 'counter' && !name.endsWith('_total') && 'a counter without _total',
    type !== 'counter' && name.endsWith('_total') && '_total and no counter',
    /_(bucket|count|sum|info)$/.test(name) && 'a reserved suffix',
    tokens.some((token) => units.test(token)) && 'no base unit, or one cut short',
    tokens.some((token) => ['counter', 'gauge', 'histogram', 'summary', 'untyped'].includes(token)) && 'the type in its name',
    !/^[a-z][a-z0-9_]*$/.test(name) && 'other than lower case and _',
    !/^(quartermaster|process)_/.test(name) && 'a foreign prefix',
    ...[...labels].filter((label) => !known.has(label)).map((label) => `the label ${label}, which may be without bounds`),
  ].filter((fault): fault is string => typeof fault === 'string')
}

test('metrics: names keep the conventions that promtool checks, and labels are bounded', async () => {
  const seen = [...(await scraped()).values()]
  expect(seen.length).toBeGreaterThan(30)
  expect(seen.flatMap((family) => faults(family).map((fault) => `${family.name}: ${fault}`))).toEqual([])
})

test.each([
  ['quartermaster_commits', 'counter', 'a counter without _total'],
  ['quartermaster_objects_total', 'gauge', '_total and no counter'],
  ['quartermaster_delay_milliseconds', 'gauge', 'no base unit, or one cut short'],
  ['quartermaster_delay_ms', 'gauge', 'no base unit, or one cut short'],
  ['quartermaster_gauge_bytes', 'gauge', 'the type in its name'],
  ['quartermaster_planCount', 'gauge', 'other than lower case and _'],
  ['castai_objects', 'gauge', 'a foreign prefix'],
])('metrics: a bad name is seen: %s as a %s', (name, type, fault) => {
  expect(faults({ name, type, help: 'a help', samples: [] })).toEqual([fault])
})
