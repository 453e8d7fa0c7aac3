import { inject } from 'vitest'
import type { Binaries } from './binaries.ts'
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from './start.ts'

/** What the run has found or built. @throws Error when there is nothing, with the remedy */
export const controlPlaneBinaries = (): Binaries => {
  const found = inject('controlPlane')
  if ('missing' in found) throw new Error(found.missing)
  return found
}

/** A control plane of the test's own; see start.ts. Only in files named `*.cluster.test.ts`, which `npm run test:cluster` runs. */
export const controlPlaneForTest = (options: Omit<ControlPlaneOptions, 'binaries'> = {}): Promise<ControlPlane> =>
  startControlPlane({ ...options, binaries: controlPlaneBinaries() })
