import type { Chance } from '../chance.ts'
import { APPS, HOST, NAMESPACES, REGION, VERSIONS, ZONE } from './things.ts'

type Expression = { readonly key: string; readonly operator: string; readonly values?: readonly string[] }
type Selector = { readonly matchLabels?: Readonly<Record<string, string>>; readonly matchExpressions?: readonly Expression[] }
type Keys = { readonly matchLabelKeys?: readonly string[]; readonly mismatchLabelKeys?: readonly string[] }

export const selector = (lots: Chance): Selector =>
  lots.pick<() => Selector>([
    () => ({ matchLabels: { app: lots.pick(APPS) } }),
    () => ({ matchLabels: { app: lots.pick(APPS), version: lots.pick(VERSIONS) } }),
    () => ({ matchExpressions: [{ key: 'app', operator: 'In', values: lots.some(APPS, 0.5).concat('web') }] }),
    () => ({
      matchExpressions: [
        { key: 'app', operator: 'Exists' },
        { key: 'app', operator: 'NotIn', values: ['quiet', ...lots.some(APPS, 0.6)] },
      ],
    }),
    () => ({
      matchLabels: { app: lots.pick(APPS) },
      matchExpressions: [{ key: 'version', operator: 'DoesNotExist' }],
    }),
  ])()

const spaces = (lots: Chance): object =>
  lots.pick<() => object>([
    () => ({}),
    () => ({}),
    () => ({ namespaces: lots.some(NAMESPACES, 0.6).concat('nowhere') }),
    () => ({ namespaceSelector: {} }),
    () => ({ namespaceSelector: { matchLabels: { team: lots.pick(['x', 'y', 'z']) } } }),
    () => ({ namespaces: ['bank'], namespaceSelector: { matchExpressions: [{ key: 'env', operator: 'In', values: ['dev'] }] } }),
  ])()

/** As the API server does when the pod is created: what the keys mean for this pod is added to the selector. */
export const merged = (
  base: Selector,
  { matchLabelKeys = [], mismatchLabelKeys = [] }: Keys,
  labels: Readonly<Record<string, string>>,
) => {
  const meaning = (operator: string) => (key: string) => {
    const value = labels[key]
    return value === undefined ? [] : [{ key, operator, values: [value] }]
  }
  const added = [...matchLabelKeys.flatMap(meaning('In')), ...mismatchLabelKeys.flatMap(meaning('NotIn'))]
  return {
    labelSelector: added.length === 0 ? base : { ...base, matchExpressions: [...(base.matchExpressions ?? []), ...added] },
    ...(matchLabelKeys.length > 0 && { matchLabelKeys }),
    ...(mismatchLabelKeys.length > 0 && { mismatchLabelKeys }),
  }
}

const usesVersion = ({ matchLabels, matchExpressions = [] }: Selector): boolean =>
  matchLabels?.['version'] !== undefined || matchExpressions.some(({ key }) => key === 'version')

/** A term of pod affinity or anti-affinity, of a pod with these labels. */
export const term = (
  lots: Chance,
  labels: Readonly<Record<string, string>>,
  keys: readonly string[] = [ZONE, HOST, REGION, 'rack'],
) => {
  const base = selector(lots)
  const by = usesVersion(base)
    ? {}
    : lots.pick<Keys>([{}, {}, {}, { matchLabelKeys: ['version'] }, { mismatchLabelKeys: ['version'] }])
  return { topologyKey: lots.pick(keys), ...spaces(lots), ...merged(base, by, labels) }
}
export const required = (...terms: readonly object[]) => ({ requiredDuringSchedulingIgnoredDuringExecution: terms })
