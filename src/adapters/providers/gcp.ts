import { z } from 'zod'
import { Name } from '../../events/provider.ts'
import type { MachineFacts } from '../../ports.ts'
import { asking, nonsense } from './request.ts'

const ROOT = '/computeMetadata/v1'
const headers = { 'metadata-flavor': 'Google' }
const ZONE = /^projects\/\d+\/zones\/([a-z]+-[a-z]+\d+)(-[a-z])$/

/**
 * Google's metadata, of Compute Engine or of GKE's own server for pods, which leaves some of it out. Only single values are
 * asked for: the attributes as a whole hold the node's credentials.
 * https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys
 * @throws Unavailable
 */
export const gcpMachine = (base: string, signal?: AbortSignal): Promise<MachineFacts> =>
  asking('GCP', base, signal, async (ask) => {
    const get = async (path: string): Promise<string | undefined> => {
      const answer = await ask(`${ROOT}/${path}`, { headers })
      if (answer && answer.header('metadata-flavor') !== 'Google') throw nonsense('GCP', 'its answer is not marked as Google’s')
      return answer?.text.trim()
    }
    const [project, zone, name, instanceId, clusterName, location] = await Promise.all([
      get('project/project-id'),
      get('instance/zone'),
      get('instance/name'),
      get('instance/id'),
      get('instance/attributes/cluster-name'),
      get('instance/attributes/cluster-location'),
    ])
    const [, region, letter] = ZONE.exec(zone ?? '') ?? []
    const account = told(project)
    if (region === undefined || account === undefined) throw nonsense('GCP', 'it tells neither project nor zone')
    const machine = told(name)
    return {
      cloud: 'GCP',
      providerID: machine && `gce://${account}/${region}${letter}/${machine}`,
      instanceId: z
        .string()
        .regex(/^\d{1,20}$/)
        .safeParse(instanceId).data,
      region,
      account,
      clusterName: told(clusterName),
      location: told(location),
    }
  })

const told = (text: string | undefined): string | undefined => Name.safeParse(text).data
