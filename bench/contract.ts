import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type Figure, figure } from './figures.ts'

/** The ends of the range of Kubernetes versions that we support, as the modules that pin them. */
const MODULES = ['tools/kubernetes', 'tools/kubernetes-oldest'] as const
const CONTRACT = 'test/control-plane/kubernetes-api.cluster.test.ts'

type Ran = { readonly passed: number; readonly failed: number; readonly seconds: number }

/** Runs the contract over the control plane of a module, which Go builds when it is not built yet. */
const ran = async (module: string): Promise<Ran> => {
  const startedAt = performance.now()
  const child = spawn('npx', ['vitest', 'run', CONTRACT], {
    env: { ...process.env, QM_TEST_CLUSTER: '1', QM_TEST_KUBERNETES: module },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
    process.stderr.write(chunk)
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const [, passed, failed] = /(\d+) passed, (\d+) failed[^\n]*\n*$/.exec(out) ?? []
  if (passed === undefined) throw new Error(`the contract over ${module} ended with ${code} before it had run`)
  return { passed: Number(passed), failed: Number(failed), seconds: (performance.now() - startedAt) / 1000 }
}

const versionOf = (module: string): string =>
  /\bk8s\.io\/kubernetes (v\S+)/.exec(readFileSync(`${module}/go.mod`, 'utf8'))?.[1] ?? module

/** The contract of the Kubernetes API over the newest and the oldest version that we support. */
export const run = async (): Promise<readonly Figure[]> => {
  const figures: Figure[] = []
  for (const module of MODULES) {
    const { passed, failed, seconds } = await ran(module)
    const version = versionOf(module)
    figures.push(
      figure(`contract, Kubernetes ${version}: passed`, passed, 'tests', { atLeast: 1 }),
      figure(`contract, Kubernetes ${version}: failed`, failed, 'tests', { atMost: 0 }),
      figure(`contract, Kubernetes ${version}: took`, seconds, 's'),
    )
  }
  return figures
}
