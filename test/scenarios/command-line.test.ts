import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { subjects } from '../../src/events/subjects.ts'
import { command, environment, type Ran } from '../command.ts'
import { startUp, type Up, withHome, world } from '../up.ts'

/** A command that goes on and on: until it has said something, then Ctrl-C. */
const untilItSpeaks = async (home: string, args: readonly string[]): Promise<Ran> => {
  const env = environment(home)
  const child = spawn(process.execPath, ['src/main.ts', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    if (out === '') child.kill('SIGINT') // once: a second Ctrl-C would not wait
    out += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  const code = await new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? -1)))
  return { code, out, err }
}

/** What needs a cluster or a file of the reader's own. */
const ELSEWHERE: ReadonlySet<string> = new Set(['up', 'plan', 'dump'])

/** Every `npx quartermaster …` line of the README that a second terminal would run, in order. */
const tour = (): readonly (readonly string[])[] =>
  [...readFileSync('README.md', 'utf8').matchAll(/^npx quartermaster (.*?)(?: +#.*)?$/gm)]
    .map(([, line = '']) => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? ''))
    .filter(([name = '']) => !ELSEWHERE.has(name))

test("command line: the README's tour works line by line", { timeout: 120_000 }, () =>
  withHome(async (home) => {
    const up = await startUp(home, '--nodes', '40')
    try {
      await up.until('the first plan', ({ fact }) => fact === 'evictor.PlanMade')
      const lines = tour()
      expect(lines.map(([name]) => name)).toEqual([
        'promote',
        'watch',
        'why',
        'why',
        'hold',
        'release',
        'demote',
        'status',
        'audit',
        'journal',
        'journal',
        'effects',
      ])
      for (const args of lines) {
        const { code, out, err } = await (args[0] === 'watch' ? untilItSpeaks(home, args) : command(home, args))
        // The nodes that the README names are not in this smaller world: nothing was decided about them.
        expect([code, err], args.join(' ')).toEqual([args[0] === 'why' ? 1 : 0, ''])
        expect(out, args.join(' ')).not.toBe('')
      }
      const removed = await up.until('a node removed', ({ fact }) => fact === 'evictor.NodeRemoved')
      const why = await command(home, ['why', `node/${removed.data['node']}`])
      expect(why.out).toMatch(/evictor\.NodeChosen +plan=.* evictions=\d+ saves=\$/)
      const status = await command(home, ['status', '--format', 'json'])
      expect(JSON.parse(status.out)).toMatchObject({ cluster: 'demo', phase: 'observing', brake: 'released', security: 'off' })
      const refused = await command(home, ['demote'])
      expect([refused.code, refused.out]).toEqual([1, expect.stringContaining('cluster/demo does not accept cluster.Demote')])
    } finally {
      await up.stop()
    }
  }),
)

test(
  'command line: why names the pod and the constraint that keep a node, and where the pods of a drained one are',
  { timeout: 120_000 },
  () =>
    withHome(async (home) => {
      const up = await startUp(home, '--nodes', '40')
      try {
        await up.until('the first plan', ({ fact }) => fact === 'evictor.PlanMade')
        await up.call('Promote')
        const step = await up.until(
          'a pod left',
          ({ fact, data }) => fact === 'controller.StepDone' && data['outcome'] === 'evicted',
        )
        await up.until(
          'its node removed',
          ({ fact, data }) => fact === 'evictor.NodeRemoved' && data['node'] === step.data['node'],
        )
        await vi.waitFor(
          async () => {
            const gone = await command(home, ['why', `node/${step.data['node']}`])
            expect(gone.out).toContain('Where its pods went')
            expect(gone.out).toMatch(new RegExp(`${step.data['pod']} +evicted +→ \\S+ on openb-node-\\d+`))
          },
          { timeout: 30_000, interval: 500 },
        )
        await up.call('Demote')

        const kept = await keptFor(up, home, /^(NoRoom|BudgetForbids)$/)
        const why = await command(home, ['why', `node/${kept}`])
        expect(why.out).toMatch(/Kept .*\n +(NoRoom|BudgetForbids) +pod \S+\/\S+ /)
      } finally {
        await up.stop()
      }
    }),
)

/** A node that the newest plan keeps for such a reason. */
const keptFor = async (up: Up, home: string, code: RegExp): Promise<string> => {
  const { items } = (await world(home, '/api/v1/nodes')) as { items: { metadata: { name: string } }[] }
  for (const { metadata } of items) {
    const answer = await up.nc.request(subjects('demo').ask('why'), JSON.stringify({ kind: 'node', name: metadata.name }), {
      timeout: 10_000,
    })
    const { plan } = answer.json<{ plan: { kept?: { code: string }[] } | null }>()
    if (plan?.kept?.some((reason) => code.test(reason.code))) return metadata.name
  }
  throw new Error(`the plan keeps no node for ${code}`)
}

test('command line: errors are one sentence with the remedy, exit code 2, and no stack', async () => {
  await withHome(async (home) => {
    const nothing = await command(home, ['status'])
    expect([nothing.code, nothing.err]).toEqual([
      2,
      expect.stringMatching(/^quartermaster: nothing runs under .*: start it with "npm start", or set NATS_URL\n$/),
    ])
    const odd = await command(home, ['why', 'cow/1'])
    expect(odd.code).toBe(2)
    expect((await command(home, ['up', '--cluster', 'Not Good'])).err).toMatch(/--cluster Not Good: use a-z, 0-9 and - only/)
    expect((await command(home, ['up', '--context', 'prod'])).err).toMatch(/--context prod: say with --kubeconfig which file/)
    const none = await command(home, ['up', '--kubeconfig', join(home, 'none')])
    expect([none.code, none.err]).toEqual([
      2,
      expect.stringMatching(/^quartermaster: the kubeconfig \S+ cannot be read: .*ENOENT/),
    ])
    expect((await command(home, ['promot'])).code).toBe(2)
    expect((await command(home, ['status', '--help'])).code).toBe(0)
  })
})

test('command line: plan reads a dump of a cluster, and names the line of a broken one', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-plan-'))
  try {
    const file = join(folder, 'snapshot.json')
    writeFileSync(file, '{\n "kind": "List",\n "items": [ {,\n')
    const broken = await command(folder, ['plan', '--snapshot', file])
    expect([broken.code, broken.err]).toEqual([2, expect.stringContaining('snapshot.json: line 3, column')])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
