import type { LabelSelector, Taint, Toleration } from './kubernetes.ts'

type Labels = Readonly<Record<string, string>>
type Requirement = { readonly key: string; readonly operator: string; readonly values?: readonly string[] | undefined }

/**
 * One requirement of a label or node selector, by the rules of apimachinery `labels.Requirement.Matches`:
 * NotIn and DoesNotExist hold for an absent key; Gt and Lt compare integers.
 * @throws RangeError for an operator that Kubernetes does not define
 */
export const meets = (labels: Labels, { key, operator, values = [] }: Requirement): boolean => {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined // a key may be called constructor
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return isInteger(value) && Number(value) > Number(values[0])
    case 'Lt':
      return isInteger(value) && Number(value) < Number(values[0])
    default:
      throw new RangeError(`"${operator}" is no selector operator (In, NotIn, Exists, DoesNotExist, Gt, Lt)`)
  }
}
const isInteger = (text: string | undefined): text is string => text !== undefined && /^-?\d+$/.test(text)

/** Whether a label selector matches. An absent selector matches nothing, an empty one everything. */
export const selects = (selector: LabelSelector | null | undefined, labels: Labels = {}): boolean =>
  !!selector &&
  Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
  (selector.matchExpressions ?? []).every((requirement) => meets(labels, requirement))

/** Whether a toleration covers a taint (component-helpers `scheduling/corev1`: no key with Exists covers all). */
export const tolerates = (tolerations: readonly Toleration[] = [], taint: Taint): boolean =>
  tolerations.some(
    ({ key = '', operator = 'Equal', value = '', effect = '' }) =>
      (effect === '' || effect === taint.effect) &&
      (key === '' ? operator === 'Exists' : key === taint.key) &&
      (operator === 'Exists' || value === (taint.value ?? '')),
  )
