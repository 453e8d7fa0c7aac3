import { MIRROR, type Shape } from '../model/shape.ts'
import type { PodRule, PodTimeRule } from './rule.ts'

type Marks = Readonly<Record<string, string>>
const marksOf = ({ labels, annotations }: Pick<Shape, 'labels' | 'annotations'>): Marks => ({ ...labels, ...annotations })

const SAFE = 'cluster-autoscaler.kubernetes.io/safe-to-evict'
const KARPENTER = 'karpenter.sh/do-not-disrupt'
const FORBIDDEN = [
  'autoscaling.cast.ai/removal-disabled',
  'beta.evictor.cast.ai/eviction-disabled',
  'quartermaster.dev/removal-disabled',
  KARPENTER,
  'karpenter.sh/do-not-evict',
]
const DISPOSABLE = ['autoscaling.cast.ai/disposable', 'beta.evictor.cast.ai/disposable', 'quartermaster.dev/disposable']

/** The mark by which somebody forbids the removal of a pod or node, if there is one. */
export const forbiddenBy = (marks: Marks, more: readonly string[] = []): string | undefined => {
  const by = [...FORBIDDEN, ...more].find((name) => marks[name] === 'true')
  if (by !== undefined) return `${by}=true`
  return marks[SAFE] === 'false' ? `${SAFE}=false` : undefined
}

export const removalDisabled: PodRule = {
  name: 'RemovalDisabled',
  why: ({ shape }) => {
    const by = forbiddenBy(marksOf(shape))
    return by && `it carries ${by}`
  },
}

const SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, ns: 1e-9 }
/** A duration as Go writes it (1h30m), in seconds. */
const seconds = (text: string): number | undefined => {
  if (!/^(\d{1,9}(\.\d{1,9})?(h|m|s|ms|us|µs|ns))+$/.test(text)) return undefined
  return [...text.matchAll(/([\d.]+)([a-zµ]+)/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (SECONDS[unit ?? ''] ?? 0),
    0,
  )
}

/** Karpenter's mark may be a time instead: so long from its start the pod is left alone. */
export const removalDelayed: PodTimeRule = {
  name: 'RemovalDelayed',
  why: ({ shape: { annotations }, startedAt }, now) => {
    const text = annotations[KARPENTER] ?? ''
    const time = text === '' ? undefined : seconds(text)
    if (time === undefined || (startedAt > 0 && now - startedAt >= time * 1000)) return undefined
    return `it carries ${KARPENTER}=${text}, and has not run for so long yet`
  },
}

/** Its owner says that an eviction does no harm: what we would spare it from is then no reason to keep it. */
export const isSafe = ({ annotations }: Shape): boolean =>
  annotations[SAFE] === 'true' || annotations['descheduler.alpha.kubernetes.io/evict'] === 'true'

/** It may be killed, and nobody needs to find a place for it. */
export const isDisposable = (shape: Shape): boolean => {
  const marks = marksOf(shape)
  return DISPOSABLE.some((name) => marks[name] === 'true')
}
/** It goes and comes with its node: pods of a DaemonSet, and what the kubelet runs from a file. */
export const isOfNode = ({ owner, annotations }: Shape): boolean =>
  owner?.kind === 'DaemonSet' || owner?.kind === 'Node' || annotations[MIRROR] !== undefined
