import { afterAll, beforeAll, describe } from 'vitest'
import { access } from './kubernetes-api/access.ts'
import type { Bed, ClusterUnderTest } from './kubernetes-api/bed.ts'
import { openBed } from './kubernetes-api/bed.ts'
import { deleting } from './kubernetes-api/deleting.ts'
import { describing } from './kubernetes-api/describing.ts'
import { evicting } from './kubernetes-api/evicting.ts'
import { expiring } from './kubernetes-api/expiring.ts'
import { listing } from './kubernetes-api/listing.ts'
import { watching } from './kubernetes-api/watching.ts'
import { writing } from './kubernetes-api/writing.ts'

/**
 * What we rely on in a Kubernetes API server, simulated or real.
 * @param more what only this cluster offers, or refuses
 */
export const kubernetesApiContract = (
  name: string,
  connect: () => Promise<ClusterUnderTest>,
  more: (bed: () => Bed) => void = () => {},
): void => {
  describe(name, () => {
    let cluster: ClusterUnderTest
    let opened: Awaited<ReturnType<typeof openBed>>
    beforeAll(async () => {
      cluster = await connect()
      opened = await openBed(cluster)
    }, 300_000)
    afterAll(async () => {
      await opened?.close()
      await cluster?.stop()
    }, 60_000)

    const bed = (): Bed => opened
    for (const part of [describing, access, listing, watching, writing, deleting, evicting, more, expiring]) part(bed)
  })
}
