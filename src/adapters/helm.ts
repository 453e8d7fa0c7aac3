import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import type { ChartPolicy, ChartSource, ChartUpsert, Revision } from '../events/charts.ts'
import type { RbacObject } from '../events/rbac.ts'
import { Gone, type Helm, Refused, Unavailable } from '../ports.ts'
import { failureOf } from './helm/failure.ts'
import { rbacIn } from './helm/manifest.ts'
import { run } from './helm/run.ts'
import { digestOf, insideOf } from './helm/source.ts'
import { type Entry, inWorkplace, type Workplace } from './helm/workplace.ts'

export type HelmOptions = {
  /** Found, or built, when it is first needed. */
  readonly binary: () => Promise<string>
  readonly entry: () => Promise<Entry>
  readonly policy: ChartPolicy
}

/** Revisions that are kept of a release. */
const HISTORY_MAX = 3
const ASK_MS = 60_000
/** Beside the time that Helm has to wait for what it made: for fetching, rendering and applying it. */
const APPLY_MS = 120_000

const History = z.array(
  z.object({
    revision: z.int(),
    updated: z.string(),
    status: z.string(),
    chart: z.string(),
    description: z.string().default(''),
  }),
)
const Rendered = z.object({
  manifest: z.string().default(''),
  hooks: z.array(z.object({ manifest: z.string().default('') })).nullish(),
})

type Release = { readonly namespace: string; readonly releaseName: string }
type Asking = {
  readonly input?: string
  readonly secrets?: readonly string[]
  readonly longestMs?: number
  readonly changes?: boolean
}

/** Helm 4 as a program, over a kubeconfig that lives as long as one run of it. */
export const helm = (options: HelmOptions): Helm => {
  const { policy } = options
  const helmIn = async (place: Workplace, args: readonly string[], asking: Asking, signal: AbortSignal): Promise<string> => {
    const { input = '', secrets = [], longestMs = ASK_MS, changes = false } = asking
    const { folder, env } = place
    const { code, stdout, stderr } = await run({ binary: await options.binary(), args, env, input, folder, longestMs }, signal)
    if (code !== 0) throw failureOf(args[0] ?? '', stderr, secrets, changes)
    return stdout
  }
  const alone = async (args: readonly string[], asking: Asking, signal: AbortSignal): Promise<string> =>
    inWorkplace(await options.entry(), policy.serviceAccount, (place) => helmIn(place, args, asking, signal))
  const of = ({ releaseName, namespace }: Release): readonly string[] => [releaseName, '--namespace', namespace]

  const upgradeArgs = (order: ChartUpsert, chart: string, valuesFile: string | undefined): readonly string[] => [
    ...['upgrade', order.releaseName, chart, '--namespace', order.namespace, '--install'],
    ...['--timeout', `${order.timeoutSeconds}s`, '--history-max', String(HISTORY_MAX)],
    ...(order.createNamespace ? ['--create-namespace'] : []),
    ...(order.resetThenReuseValues ? ['--reset-then-reuse-values'] : []),
    ...(valuesFile === undefined ? [] : ['--values', valuesFile]),
    ...['--values', '-'], // on stdin: neither a file nor a command line has them
  ]
  /** Calls with the chart at hand, and what of the values must not be repeated. */
  const withChart = async <T>(
    order: ChartUpsert,
    signal: AbortSignal,
    work: (place: Workplace, args: readonly string[], asking: Asking, digest: string, chart: string) => Promise<T>,
  ): Promise<T> =>
    inWorkplace(await options.entry(), policy.serviceAccount, async (place) => {
      const chart = await chartAt(order.chartSource, place, signal)
      const valuesFile = order.valuesFile === undefined ? undefined : await insideOf(policy.folder, order.valuesFile)
      const asking = { input: JSON.stringify(order.valuesOverrides), secrets: await textsIn(valuesFile) }
      return work(place, upgradeArgs(order, chart, valuesFile), asking, await digestOf(chart), chart)
    })
  const chartAt = async (source: ChartSource, place: Workplace, signal: AbortSignal): Promise<string> => {
    if ('path' in source) return insideOf(policy.folder, source.path)
    const { repoUrl, name, version } = source
    const from = repoUrl.startsWith('oci://') ? [`${repoUrl.replace(/\/+$/, '')}/${name}`] : [name, '--repo', repoUrl]
    const to = join(place.folder, 'chart')
    await mkdir(to)
    const plain = repoUrl.startsWith('http://') ? ['--plain-http'] : []
    await helmIn(place, ['pull', ...from, '--version', version, '--destination', to, ...plain], {}, signal)
    const [file, ...more] = await readdir(to)
    if (file === undefined || more.length > 0) throw new Refused(`helm pull ${name}: one file was expected`)
    return join(to, file)
  }

  return {
    history: async (release, signal) => {
      try {
        return historyIn(await alone(['history', ...of(release), '--output', 'json'], {}, signal))
      } catch (error) {
        if (error instanceof Gone) return []
        throw error
      }
    },
    render: (order, signal) =>
      withChart(order, signal, async (place, args, asking, digest, chart) => {
        const dry = [...args, '--dry-run=server', '--hide-secret', '--output', 'json']
        const rendered = Rendered.parse(JSON.parse(await helmIn(place, dry, { ...asking, longestMs: APPLY_MS }, signal)))
        // What is in crds/ is in no manifest, is installed first, and may be of any kind.
        const crds = await helmIn(place, ['show', 'crds', chart], {}, signal)
        const manifests = [rendered.manifest, crds, ...(rendered.hooks ?? []).map(({ manifest }) => manifest)]
        return { digest, rbac: manifests.flatMap((manifest) => rbacIn(manifest, order.namespace)) }
      }),
    rbacOf: async (release, revision, signal) => {
      const at = [...of(release), '--revision', String(revision)]
      const [manifest, hooks] = [
        await alone(['get', 'manifest', ...at], {}, signal),
        await alone(['get', 'hooks', ...at], {}, signal),
      ]
      return [manifest, hooks].flatMap((each): readonly RbacObject[] => rbacIn(each, release.namespace))
    },
    upgrade: (order, { digest, mark }, signal) =>
      withChart(order, signal, async (place, args, asking, found) => {
        if (found !== digest) throw new Refused('the chart is no longer the one that was reviewed: order it again')
        const longestMs = order.timeoutSeconds * 1_000 + APPLY_MS
        await helmIn(place, [...args, '--wait', '--description', mark], { ...asking, longestMs, changes: true }, signal)
      }),
    rollback: async ({ timeoutSeconds, ...release }, { to, mark }, signal) => {
      const [name = '', ...where] = of(release)
      const args = ['rollback', name, String(to), ...where, '--history-max', String(HISTORY_MAX), '--description', mark]
      const timed = [...args, '--wait', '--timeout', `${timeoutSeconds}s`]
      await alone(timed, { longestMs: timeoutSeconds * 1_000 + APPLY_MS, changes: true }, signal)
    },
    uninstall: async ({ timeoutSeconds, ...release }, signal) => {
      const args = ['uninstall', ...of(release), '--ignore-not-found', '--wait', '--timeout', `${timeoutSeconds}s`]
      await alone(args, { longestMs: timeoutSeconds * 1_000 + APPLY_MS, changes: true }, signal)
    },
  }
}

const historyIn = (text: string): readonly Revision[] => {
  const parsed = History.safeParse(JSON.parse(text))
  if (!parsed.success) throw new Unavailable(`helm history: its answer makes no sense: ${z.prettifyError(parsed.error)}`)
  return parsed.data.map(({ updated, ...rest }) => ({ ...rest, updated: Date.parse(updated) }))
}

/** Every text in a values file: what must not be repeated in an error. */
const textsIn = async (file: string | undefined): Promise<readonly string[]> =>
  file === undefined ? [] : leaves(parse(await readFile(file, 'utf8')) as unknown)

const leaves = (value: unknown): readonly string[] =>
  typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [String(value)]
