import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectionsIn } from '../../../src/commands/home.ts'
import { until } from '../../kubernetes-client.ts'
import { type Process, startProcess } from '../../process.ts'
import { proxyTo, type TcpProxy } from '../../proxy.ts'
import { families } from '../../scrape.ts'
import type { ControlPlane } from '../start.ts'

/** `up --kubeconfig` as a process. */
export type Observer = Process & {
  /** Whether it hosts the actors, and does not only wait for them. */
  readonly hosts: () => boolean
  /** Of a metric of its own, over all its series. @throws Error when it has none of that name */
  readonly total: (metric: string) => Promise<number>
}
export type Observers = AsyncDisposable & {
  /** The way to the API server that all of them take. */
  readonly way: TcpProxy
  start(): Promise<Observer>
  /** Starts one, and waits until it hosts. */
  startHosting(): Promise<Observer>
}

/** Processes of ours that observe a control plane through one NATS, each from a folder of its own. */
export const observers = async (plane: ControlPlane, nats: { readonly url: string }, cluster: string): Promise<Observers> => {
  const stack = new AsyncDisposableStack()
  const way = stack.use(await proxyTo(Number(new URL(plane.url).port)))
  const start = async (): Promise<Observer> => {
    const home = mkdtempSync(join(tmpdir(), 'qm-home-'))
    stack.defer(() => rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
    const kubeconfig = kubeconfigBy(way, plane, home)
    const args = ['up', '--kubeconfig', kubeconfig, '--cluster', cluster, '--metrics', '127.0.0.1:0']
    const started = startProcess(args, { QUARTERMASTER_HOME: home, NATS_URL: nats.url })
    stack.defer(() => started.end('SIGKILL'))
    return {
      ...started,
      hosts: () => [...connectionsIn(home).values()].some(({ pid }) => pid === started.child.pid),
      total: (metric) => totalOf(started.output(), metric),
    }
  }
  return {
    way,
    start,
    startHosting: async () => {
      const observer = await start()
      const { child, output } = observer
      await until('the process hosts', async () => observer.hosts() || child.exitCode !== null)
      if (child.exitCode !== null) throw new Error(`the process ended:\n${output()}`)
      return observer
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const kubeconfigBy = ({ port }: TcpProxy, plane: ControlPlane, folder: string): string => {
  const file = join(folder, 'kubeconfig')
  writeFileSync(file, readFileSync(plane.kubeconfig('admin'), 'utf8').replace(plane.url, `https://127.0.0.1:${port}`))
  return file
}

const totalOf = async (output: string, metric: string): Promise<number> => {
  const [, url] = /^Metrics +(http:\S+\/metrics)/m.exec(output) ?? []
  if (url === undefined) throw new Error(`no address is said:\n${output}`)
  const family = families(await (await fetch(url)).text()).get(metric)
  if (!family) throw new Error(`${url} has no ${metric}`)
  return family.samples.reduce((sum, { value }) => sum + value, 0)
}
