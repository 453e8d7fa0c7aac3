import { type Theme, themes } from './asked.ts'
import { selector, term } from './neighbours.ts'
import { APPS, container, GPU, HOST, REGION, VERSIONS, ZONE, ZONES } from './things.ts'

/** Pods that fit nearly anywhere, and would rather be somewhere: each is about one plugin's Score, or about several. */
const inclined: Theme = (lots) => ({
  spec: {
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: Array.from({ length: lots.between(1, 3) }, () => ({
          weight: lots.between(1, 100),
          preference: {
            matchExpressions: [
              lots.pick([
                { key: 'disk', operator: 'In', values: ['ssd'] },
                { key: 'generation', operator: 'Gt', values: ['4'] },
                { key: 'rack', operator: 'Exists' },
                { key: ZONE, operator: 'NotIn', values: [lots.pick(ZONES)] },
              ]),
            ],
          },
        })),
      },
    },
  },
})

const affectionate: Theme = (lots) => {
  const labels = { app: lots.pick(APPS), ...(lots.happens(0.8) && { version: lots.pick(VERSIONS) }) }
  const preferred = () => ({
    preferredDuringSchedulingIgnoredDuringExecution: Array.from({ length: lots.between(1, 2) }, () => ({
      weight: lots.between(1, 100),
      podAffinityTerm: term(lots, labels, [ZONE, HOST, REGION, 'rack']),
    })),
  })
  return {
    labels,
    spec: { affinity: lots.pick([{ podAffinity: preferred() }, { podAntiAffinity: preferred() }, {}]) },
  }
}

const softly: Theme = (lots) => {
  const labels = { app: lots.pick(APPS), version: lots.pick(VERSIONS) }
  return {
    labels,
    spec: {
      topologySpreadConstraints: Array.from({ length: lots.between(1, 2) }, () => ({
        maxSkew: lots.between(1, 4),
        topologyKey: lots.pick([ZONE, HOST, REGION, 'rack']),
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: lots.happens(0.6) ? { matchLabels: { app: labels.app } } : selector(lots),
        ...(lots.happens(0.3) && { nodeAffinityPolicy: lots.pick(['Honor', 'Ignore']) }),
        ...(lots.happens(0.3) && { nodeTaintsPolicy: lots.pick(['Honor', 'Ignore']) }),
      })),
    },
  }
}
/** Spread by the system's defaults, if an owner or a service selects them. */
const owned: Theme = (lots) => ({ labels: { app: lots.pick(APPS), version: lots.pick(VERSIONS) } })

const sized: Theme = (lots) => ({
  spec: {
    containers: [
      container(
        'main',
        lots.pick<Readonly<Record<string, string>>>([
          {},
          { cpu: '300m' },
          { memory: '1Gi' },
          { cpu: '0' },
          { cpu: '750m', memory: '3Gi' },
          { [GPU]: '1', cpu: '100m' },
          { 'ephemeral-storage': '1Gi' },
        ]),
      ),
      ...(lots.happens(0.3) ? [container('more', lots.pick<Readonly<Record<string, string>>>([{}, { cpu: '50m' }]))] : []),
    ],
    ...(lots.happens(0.2) && { initContainers: [container('setup', {})] }),
    ...(lots.happens(0.2) && { overhead: { cpu: '120m', memory: '100Mi' } }),
  },
})

export const leanings: typeof themes = [
  [inclined, 20],
  [affectionate, 40],
  [softly, 30],
  [owned, 30],
  [sized, 30],
  ...themes.map(([theme, weight]) => [theme, Math.ceil(weight / 20)] as const),
]
