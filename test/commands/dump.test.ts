import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'
import { fixedAccess } from '../../src/adapters/kubernetes/access.ts'
import { type KubernetesClient, kubernetesClient } from '../../src/adapters/kubernetes/client.ts'
import { dumpedKinds } from '../../src/commands/dump/kinds.ts'
import { runDump } from '../../src/commands/dump.ts'
import { writeKubeconfig } from '../../src/commands/home.ts'
import { runPlan } from '../../src/commands/plan.ts'
import { UserError } from '../../src/commands/session.ts'
import { Prices } from '../../src/events/plan.ts'
import { beginOpenb } from '../../src/simulator/openb/world.ts'
import { createSimulator } from '../../src/simulator/simulator.ts'
import { json, list, listKindAt, pod, scriptedApi, status } from '../adapters/kubernetes/scripted-api.ts'
import { command } from '../command.ts'

const folder = mkdtempSync(join(tmpdir(), 'quartermaster-dump-'))
afterAll(() => rmSync(folder, { recursive: true }))

let count = 0
const fresh = (): string => join(folder, `${++count}.json`)

const run = async (client: KubernetesClient, options: object = {}, clock: () => number = () => 0) => {
  const [out, err]: [string[], string[]] = [[], []]
  const world = {
    client,
    cluster: 'https://api.example',
    out: new Writable({ write: (chunk, _, done) => done(void out.push(String(chunk))) }),
    err: { write: (text: string) => err.push(text) },
    now: clock,
    signal: AbortSignal.timeout(60_000),
  }
  const code = await runDump({ format: 'text', ...options }, world).catch((error: unknown) => {
    expect(error).toBeInstanceOf(UserError)
    err.push((error as Error).message)
    return 2
  })
  return { code, out: out.join(''), err: err.join('') }
}

const planned = (snapshot: string, now: number) => {
  const out: string[] = []
  const policy = fresh()
  writeFileSync(policy, JSON.stringify({ nodeGraceSeconds: 0, aggressive: true, evictLocalStorage: true }))
  const code = runPlan(
    { snapshot, policy, format: 'json' },
    { out: { write: (text) => out.push(text) }, err: { write: () => {} }, now: () => now, prices: Prices.parse({}) },
  )
  const { solveMillis: _, ...plan } = z
    .looseObject({ solveMillis: z.number(), drains: z.array(z.unknown()) })
    .parse(JSON.parse(out.join('')))
  return { code, plan }
}

test('dump: a plan from it is the plan from what kubectl would write', async () => {
  const simulator = await createSimulator({ isStill: true, begin: (store) => beginOpenb(store, 100) })
  const client = kubernetesClient(fixedAccess({ server: simulator.url, token: simulator.token }))
  try {
    const [raw, file] = [fresh(), fresh()]
    const items: unknown[] = []
    for (const { kind, group, resource } of dumpedKinds.slice(0, 6)) {
      const answer = await client.request('GET', `${group === '' ? '/api/v1' : `/apis/${group}/v1`}/${resource}`)
      const all = z.object({ items: z.array(z.looseObject({})) }).parse(answer).items
      items.push(...all.map((item) => ({ ...item, kind })))
    }
    writeFileSync(raw, JSON.stringify({ kind: 'List', items }))
    const { code, out, err } = await run(client, { output: file })
    expect({ code, out }).toEqual({ code: 0, out: '' })
    expect(err).toContain('objects of ')
    const now = Date.now()
    const fromDump = planned(file, now)
    expect(fromDump).toEqual(planned(raw, now))
    expect(fromDump.plan.drains.length).toBeGreaterThan(5)
  } finally {
    await client.close()
    await simulator.stop()
  }
})

const node = {
  metadata: { name: 'n', uid: 'u', resourceVersion: '1' },
  status: { allocatable: { cpu: '4' }, images: [{ names: ['x'] }] },
}
type Scripted = Readonly<Record<string, readonly [code: number, body: unknown]>>
/** An API with one node, one pod with a password, and what the test adds; the rest is not served. */
const api = (more: Scripted = {}) => {
  const answers: Scripted = {
    '/api/v1/nodes': [200, list('1', [node])],
    '/api/v1/pods': [200, list('1', [pod('a', '1')])],
    ...more,
  }
  return scriptedApi(({ at }, response) => {
    const [code, body] = answers[at.pathname] ?? [404, status(404, 'not found')]
    json(response, code, code === 200 ? { ...(body as object), kind: listKindAt(at.pathname) } : body)
  })
}

test('dump: writes a List whose items say their kind, without what could be a secret, and asks for no Secret', async () => {
  await using given = await api()
  const { code, out } = await run(given.client)
  expect(code).toBe(0)
  const { items } = z.object({ kind: z.literal('List'), items: z.array(z.unknown()) }).parse(JSON.parse(out))
  expect(items).toEqual([
    { apiVersion: 'v1', kind: 'Node', metadata: node.metadata, status: { allocatable: { cpu: '4' } } },
    expect.objectContaining({
      apiVersion: 'v1',
      kind: 'Pod',
      spec: { containers: [{ name: 'main', env: [{ name: 'PASSWORD', value: '<redacted>' }] }] },
    }),
  ])
  expect(given.asked.filter((asked) => !asked.startsWith('GET ') || /secrets|configmaps/.test(asked))).toEqual([])
})

test('dump: a file is readable by its owner alone, and there is none when it is not whole', async () => {
  await using given = await api()
  const file = fresh()
  await run(given.client, { output: file })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  await using broken = await api({ '/api/v1/pods': [403, status(403, 'no')] })
  const [before, none] = [readdirSync(folder), fresh()]
  const { code, err } = await run(broken.client, { output: none })
  expect(code).toBe(2)
  expect(err).toContain('there is no dump of https://api.example without its pods')
  expect(readdirSync(folder)).toEqual(before)
  expect((await run(given.client, { output: join(folder, 'no', 'where') })).err).toContain("can't be written")
})

test('dump: names what could not be read, how a plan is weaker without it, and what the API does not serve', async () => {
  await using given = await api({ '/apis/policy/v1/poddisruptionbudgets': [403, status(403, 'forbidden\u001b[31m')] })
  const { code, out, err } = await run(given.client)
  expect(code).toBe(1)
  expect(JSON.parse(out)).toMatchObject({ unread: ['poddisruptionbudgets.policy'] })
  expect(err).toMatch(/could not read poddisruptionbudgets\.policy: GET .* 403 forbidden/)
  expect(err).toContain('evictions that a plan counts on may be refused')
  expect(err).toMatch(/not served by this API, so there are none \(the report names them\): \d+ kinds/)
  expect(err).not.toContain('\u001b')
})

test('dump: an object that is none is left out and counted; a kind that is called a Secret is not taken for one', async () => {
  await using given = await api({
    '/api/v1/services': [200, list('1', [7, null, { kind: 'Secret', metadata: { name: 's' }, data: { a: 'hunter2' } }])],
  })
  const { code, out, err } = await run(given.client)
  expect(code).toBe(1)
  expect(err).toContain('they are no objects: 2')
  expect(out).not.toContain('hunter2')
  expect(JSON.parse(out)).toMatchObject({ items: [{}, {}, { kind: 'Service', metadata: { name: 's' } }] })
})

test('dump: a list that outlives the memory of the server begins anew, and nothing is in it twice', async () => {
  let expired = false
  await using given = await scriptedApi(({ at }, response) => {
    const next = at.searchParams.get('continue')
    if (at.pathname === '/api/v1/nodes') return json(response, 200, list('1', [node], '', 'Node'))
    if (at.pathname !== '/api/v1/pods') return json(response, 404, status(404))
    if (next === null) return json(response, 200, list('1', [pod('a', '1')], 'more'))
    if (expired) return json(response, 200, list('1', [pod('b', '1')]))
    expired = true
    return json(response, 410, status(410, 'expired'))
  })
  const { code, out } = await run(given.client)
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ items: [{ kind: 'Node' }, { metadata: { name: 'a' } }, { metadata: { name: 'b' } }] })
})

test('dump: reads an older version where the newest is not served', async () => {
  const claim = { metadata: { name: 'c', uid: 'c', resourceVersion: '1' }, spec: { nodeClassRef: { name: 'x' } } }
  await using given = await api({ '/apis/karpenter.sh/v1beta1/nodeclaims': [200, list('1', [claim])] })
  expect(JSON.parse((await run(given.client)).out)).toMatchObject({
    items: [{}, {}, { apiVersion: 'karpenter.sh/v1beta1', kind: 'NodeClaim' }],
  })
})

test('dump: says how far it is when it takes longer than a second', async () => {
  await using given = await api()
  let time = 0
  expect((await run(given.client, {}, () => (time += 700))).err).toMatch(/reading https:\/\/api\.example: \d+ objects, now /)
})

test('dump: the report names every path and what became of it, and the checksum of the dump that it is about', async () => {
  await using given = await api()
  const file = fresh()
  const { out } = await run(given.client, { output: file, redactionReport: true, format: 'json' })
  const report = JSON.parse(out)
  expect(report.sha256).toBe(createHash('sha256').update(readFileSync(file)).digest('hex'))
  expect(report.kinds.map(({ kind, objects }: { kind: string; objects: number }) => [kind, objects])).toEqual([
    ['nodes', 1],
    ['pods', 1],
  ])
  const pods = report.kinds[1].paths
  expect(pods).toContainEqual({ path: 'spec.containers[].env[].name', kept: 1, replaced: 0, dropped: 0 })
  expect(pods).toContainEqual({ path: 'spec.containers[].env[].value', kept: 0, replaced: 1, dropped: 0 })
  expect(report.kinds[0].paths).toContainEqual({ path: 'status.images', kept: 0, replaced: 0, dropped: 1 })
  const text = (await run(given.client, { redactionReport: true })).out
  expect(text).toContain(report.sha256)
  expect(text).toMatch(/Not served .*rollouts\.argoproj\.io/)
  expect(text).toMatch(/spec\.containers\[\]\.env\[\]\.value +0 +1 +0\n/)
  expect(out + text).not.toContain('hunter2')
})

test('dump: the command reads the cluster of its context, and plan takes what it writes', { timeout: 120_000 }, async () => {
  const simulator = await createSimulator({ isStill: true, token: 'hunter2', begin: (store) => beginOpenb(store, 40) })
  try {
    const file = fresh()
    const kubeconfig = writeKubeconfig(folder, simulator.url, simulator.token)
    const dumped = await command(folder, [
      'dump',
      '--kubeconfig',
      kubeconfig,
      '--context',
      'simulated',
      '--output',
      file,
      '--redaction-report',
    ])
    expect(dumped).toMatchObject({ code: 0, err: expect.stringContaining(`from simulated (${simulator.url}) to ${file}`) })
    expect(dumped.out).toContain('metadata.labels.*')
    expect(dumped.out + dumped.err).not.toContain('hunter2')
    const plan = await command(folder, ['plan', '--snapshot', file])
    expect(plan.out).toMatch(/^Now +40 nodes/m)
    const unknown = await command(folder, ['dump', '--kubeconfig', kubeconfig, '--context', 'elsewhere'])
    expect(unknown).toMatchObject({ code: 2, out: '', err: expect.stringContaining('it knows simulated') })
  } finally {
    await simulator.stop()
  }
})
