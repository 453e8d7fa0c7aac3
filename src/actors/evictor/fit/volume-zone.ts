import { claimsOf } from './claims.ts'
import { type Rule, refusal } from './rule.ts'

const NAME = 'VolumeZone'
const REFUSED = refusal(NAME, 'node(s) had no available volume zone')

const ZONE = 'topology.kubernetes.io/zone'
const REGION = 'topology.kubernetes.io/region'
/** The labels that say where a volume is, each with what it is called today. */
const LABELS: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': ZONE,
  'failure-domain.beta.kubernetes.io/region': REGION,
  [ZONE]: ZONE,
  [REGION]: REGION,
}

/** A volume in several zones names them all, joined by two underscores; an empty one among them makes the label void. */
const zonesOf = (text: string): readonly string[] | undefined => {
  const zones = text.split('__').map((zone) => zone.trim())
  return zones.includes('') ? undefined : zones
}

/** Zone and region of bound volumes against the node's, if it has any. Source: `plugins/volumezone`. */
export const volumeZone: Rule = {
  name: NAME,
  isStanding: true,
  onNode: (model, shape) => {
    const places = claimsOf(model, shape).flatMap((claimed) =>
      claimed.is !== 'bound'
        ? []
        : Object.keys(LABELS).flatMap((key) => {
            const zones = zonesOf(claimed.volume.metadata.labels?.[key] ?? '')
            return zones ? [{ key, zones }] : []
          }),
    )
    if (places.length === 0) return undefined
    return ({ object }) => {
      const labels = object?.metadata.labels ?? {}
      if (!Object.keys(LABELS).some((key) => labels[key] !== undefined)) return undefined
      const isThere = places.every(({ key, zones }) => zones.includes(labels[key] ?? labels[LABELS[key] ?? ''] ?? ''))
      return isThere ? undefined : REFUSED
    }
  },
}
