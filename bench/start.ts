import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { findNatsServer } from '../src/adapters/nats-server/find.ts'
import { type Figure, figure, median } from './figures.ts'

const RUNS = 3

type Seconds = { readonly snapshot: number; readonly plan: number; readonly rss: number }

/** `up` as a process in an empty folder: from its start to the first complete snapshot, and to the first plan. */
const once = async (binary: string): Promise<Seconds> => {
  const home = mkdtempSync(join(tmpdir(), 'qm-bench-'))
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['--max-semi-space-size=4', 'src/main.ts', 'up'], {
    env: { ...process.env, QUARTERMASTER_HOME: home, NATS_SERVER_BIN: binary, NATS_URL: undefined },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const seconds = (): number => (performance.now() - startedAt) / 1000
  let snapshot = Number.NaN
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.includes('"agent.SnapshotTaken"')) snapshot = seconds()
      if (line.includes('"evictor.PlanMade"')) return { snapshot, plan: seconds(), rss: residentMegabytes(child.pid) }
    }
    throw new Error('up ended before its first plan')
  } finally {
    child.kill('SIGTERM')
    await exited
    rmSync(home, { recursive: true, force: true })
  }
}

/** Linux only; elsewhere not a number. */
const residentMegabytes = (pid: number | undefined): number => {
  try {
    const [, pages] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')
    return (Number(pages) * 4096) / 1e6
  } catch {
    return Number.NaN
  }
}

/** Start of the default world (1,523 nodes, 4,883 pods; owners, budgets, zones and prices are synthetic). */
export const run = async (): Promise<readonly Figure[]> => {
  const { path } = await findNatsServer({ onProgress: (message) => process.stderr.write(`${message}\n`) })
  const runs: Seconds[] = []
  for (let run = 0; run < RUNS; run++) runs.push(await once(path))
  return [
    figure('start to first complete snapshot', median(runs.map(({ snapshot }) => snapshot)), 's', { atMost: 10 }),
    figure('start to first plan', median(runs.map(({ plan }) => plan)), 's'),
    figure('resident memory then, with the simulated cluster', median(runs.map(({ rss }) => rss)), 'MB'),
  ]
}
