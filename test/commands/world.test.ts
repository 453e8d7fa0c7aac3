import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { clusterIdOf, openWorld } from '../../src/commands/up/world.ts'

const withFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-world-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
const options = { trace: 'openb', seed: 1 }
const real = {
  server: 'https://api.example:6443',
  context: 'staging',
  contexts: ['prod', 'staging', 'te\u001b[31mst'],
  credentials: () => Promise.reject(new Error('nobody asks')),
}

test('up: of a real cluster it is said which context is used, which others there are, and that it is read-only', () =>
  withFolder(async (folder) => {
    const world = await openWorld(folder, real, options)
    expect(world).toMatchObject({ context: 'staging', mayWrite: false, policy: {} })
    expect(world.name).toBe(
      [
        'https://api.example:6443',
        'Context     staging; the kubeconfig also knows prod, test (--context)',
        'Access      read-only: promote is refused (--allow-writes lifts it)',
      ].join('\n'),
    )
    const writable = await openWorld(folder, { ...real, contexts: ['staging'] }, { ...options, allowWrites: true })
    expect(writable.mayWrite).toBe(true)
    expect(writable.name).toContain('Context     staging\nAccess      promote may drain and remove its nodes')
  }))

test("up: a real cluster does not go on with a simulated one's journal", () =>
  withFolder(async (folder) => {
    mkdirSync(join(folder, 'world'))
    await expect(openWorld(folder, real, options)).rejects.toThrow(
      `${folder} holds the journal of a simulated cluster: give the real one another id with --cluster`,
    )
  }))

test.each([
  ['kind-kind', 'kind-kind'],
  ['arn:aws:eks:eu-central-1:123456789012:cluster/Prod', 'arn-aws-eks-eu-central-1-123456789012-cluster-prod'],
  ['gke_my.project_europe-west3-a_blue', 'gke-my-project-europe-west3-a-blue'],
  ['admin@Cluster', 'admin-cluster'],
  ['-x-', 'x'],
  [`${'a'.repeat(62)}--b`, 'a'.repeat(62)],
])('up: the context %s makes the cluster id %s', (context, id) => {
  expect(clusterIdOf(context)).toBe(id)
  expect(id).toMatch(/^[a-z0-9-]+$/)
})

test('up: a context of which nothing can be an id is said with the remedy', () => {
  expect(() => clusterIdOf('集群')).toThrow('give one with --cluster')
})
