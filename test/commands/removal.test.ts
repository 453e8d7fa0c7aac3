import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { removalSettings } from '../../src/commands/up/removal.ts'

const CLUSTER =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/shop'
const clouds = {
  awsAutoScaling: { region: 'eu-central-1' },
  gcpInstanceGroups: { project: 'shop-1' },
  aksAgentPools: { cluster: CLUSTER },
}

const written = <T>(settings: object, use: (file: string) => T): T => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-removal-'))
  try {
    const file = join(folder, 'removal.json')
    writeFileSync(file, JSON.stringify(settings))
    return use(file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('removal settings: every cloud is off until it is named', () => {
  expect(written({}, removalSettings)).toEqual({
    clusterAutoscaler: { namespace: 'kube-system', statusConfigMap: 'cluster-autoscaler-status' },
    deleteNodeObjects: false,
  })
  expect(written(clouds, removalSettings)).toMatchObject(clouds)
})

test.each([
  [{ awsAutoScaling: {} }, /awsAutoScaling\.region/],
  [{ awsAutoScaling: { region: 'eu-central-1a' } }, /awsAutoScaling\.region: it is no region/],
  [{ awsAutoScaling: { region: 'eu-central-1', accessKey: 'x' } }, /awsAutoScaling/],
  [{ gcpInstanceGroups: { project: '../x' } }, /gcpInstanceGroups\.project/],
  [{ aksAgentPools: { cluster: 'shop' } }, /aksAgentPools\.cluster: it is no \/subscriptions/],
  [{ aksAgentPools: { cluster: `${CLUSTER}/../other` } }, /aksAgentPools\.cluster/],
])('removal settings: %o is refused with the field that is wrong', (settings, reason) => {
  expect(() => written(settings, removalSettings)).toThrow(reason)
})

// Idle memory, and credentials: a library that is loaded, or looks around, without need is too much of both.
test.each([{}, clouds])('removal: with the settings %o no library of a cloud is loaded before a machine is to go', (settings) => {
  const program = `
    import { registerHooks } from 'node:module'
    const seen = []
    registerHooks({ resolve: (name, context, next) => (seen.push(name), next(name, context)) })
    const { openRemoval } = await import('./src/commands/up/removal.ts')
    const { RemovalSettings } = await import('./src/events/removal.ts')
    openRemoval({}, {}, RemovalSettings.parse(${JSON.stringify(settings)}))
    console.log(JSON.stringify(seen))`
  const seen: readonly string[] = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }),
  )
  expect(seen).toContain('undici')
  expect(seen.filter((name) => /aws|google|azure/.test(name) && !name.startsWith('.'))).toEqual([])
})
