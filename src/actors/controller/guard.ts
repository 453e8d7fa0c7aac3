import { type Budget, type Guard, isDisruptive, type ObjectRule, verbsByDefault } from '../../events/guard.ts'
import type { ObjectId, Signature } from '../../events/orders.ts'
import { createdObject, type Order, type Target, targetOf, type Verb, verbOf, verbs } from '../../events/verbs.ts'
import { type Buckets, valuesOf } from '../../runtime/buckets.ts'
import { signatureFault, signedText } from './signature.ts'

/** What an action counts for: its target, and what was seen of it. */
export type Charge = Target & {
  readonly verb: Verb
  readonly zone?: string
  /** Pods that leave their node because of it; absent: none. */
  readonly pods?: number
}
/** A charge, and when it was made, epoch ms. */
export type Spent = Charge & { readonly at: number }

type Signed = { readonly signature?: Signature | undefined }
/** Nobody but another actor of ours can say whom to tell. */
const isOurs = (order: Order): boolean => 'requester' in order && order.requester !== undefined

/** Pure: which rule an order breaks whatever else is going on, in words; undefined: none. */
export const brokenRule = (guard: Guard, cluster: string, order: Order): string | undefined => {
  const verb = verbOf(order)
  if (verbs[verb].reach === 'restoring') return undefined
  return (
    verbRule(guard, verb) ??
    namespaceRule(guard, order) ??
    objectRule(guard, order) ??
    signatureRule(guard, cluster, order) ??
    forceRule(guard, order)
  )
}

const verbRule = ({ verbs: allowed = verbsByDefault }: Guard, verb: Verb): string | undefined =>
  allowed.includes(verb) ? undefined : `guard rule "verbs": ${verb} is not among ${allowed.join(', ') || 'none'}`

const namespaceRule = ({ namespaces }: Guard, order: Order): string | undefined => {
  const { namespace } = targetOf(order)
  return namespace === undefined || !namespaces || namespaces.includes(namespace)
    ? undefined
    : `guard rule "namespaces": ${namespace} is not among ${namespaces.join(', ') || 'none'}`
}

const forceRule = ({ force }: Guard, order: Order): string | undefined =>
  order.type === 'controller.DrainNode' && order.force && force !== true
    ? 'guard rule "force": no drain may delete pods in spite of their budgets'
    : undefined

const objectIn = (order: Order): ObjectId | undefined => {
  if (order.type === 'controller.Create') return createdObject(order)
  return order.type === 'controller.Patch' || order.type === 'controller.Delete' ? order.object : undefined
}
const objectRule = ({ objects }: Guard, order: Order): string | undefined => {
  const object = objectIn(order)
  if (!object || objects.some((rule) => covers(rule, verbOf(order), object))) return undefined
  return `guard rule "objects": none allows ${verbOf(order)} of ${targetOf(order).object}`
}
const covers = (rule: ObjectRule, verb: Verb, { group, resource, namespace, name }: ObjectId): boolean =>
  rule.verbs.some((each) => each === verb) &&
  rule.group === group &&
  rule.resource === resource &&
  (namespace === undefined ? rule.namespaces === undefined : isAmong(rule.namespaces ?? [], namespace)) &&
  (rule.names === undefined || rule.names.includes(name))
const isAmong = (namespaces: readonly string[], namespace: string): boolean =>
  namespaces[0] === '*' || namespaces.includes(namespace)

const signatureRule = (guard: Guard, cluster: string, order: Order): string | undefined => {
  const { type: _, at: __, ...payload } = order
  return isOurs(order) ? undefined : unsigned(guard, cluster, verbOf(order), payload)
}
/** Pure: why a command is not believed to be from somebody who is trusted; undefined: it is, or nobody asks. */
export const unsigned = (
  { signatures }: Guard,
  cluster: string,
  verb: Verb | 'Approve',
  payload: Signed & object,
): string | undefined => {
  if (!signatures || (signatures.verbs && !signatures.verbs.includes(verb))) return undefined
  const fault = signatureFault(signatures.keys, payload.signature, signedText(cluster, verb, payload))
  return fault && `guard rule "signatures": ${fault}`
}

const budgetsFor = ({ budgets }: Guard, verb: Verb): readonly Budget[] =>
  budgets.filter((budget) => (budget.verbs ? budget.verbs.includes(verb) : isDisruptive(verb)))

/** How many pods they take away only the node tells. */
const EMPTIES: ReadonlySet<Verb> = new Set<Verb>(['DrainNode', 'DeleteNode'])

/** Pure: whether the zone, or the pods of a node, have to be seen before an order can be judged. */
export const needsLook = (guard: Guard, verb: Verb): boolean =>
  budgetsFor(guard, verb).some(({ counts, per }) => per === 'zone' || (counts === 'pods' && EMPTIES.has(verb)))

/** Pure: for how long a charge has to be remembered, ms. */
export const longestWindow = ({ budgets }: Guard): number =>
  Math.max(0, ...budgets.map(({ withinSeconds = 0 }) => withinSeconds * 1_000))

/**
 * Pure: which budget has no room for a charge, in words; undefined: all have.
 * @param spent the charges of actions that have begun @param running those that are at work
 */
export const spentBudget = (
  guard: Guard,
  spent: Buckets<Spent>,
  running: Buckets<Charge>,
  charge: Charge,
  at: number,
): string | undefined => {
  for (const budget of budgetsFor(guard, charge.verb)) {
    const { withinSeconds, name, most, counts } = budget
    const counted =
      withinSeconds === undefined ? valuesOf(running) : valuesOf(spent).filter((each) => at - each.at < withinSeconds * 1_000)
    const alike = counted.filter((each) => isCounted(budget, each) && isAlike(budget, each, charge))
    if (amount(counts, [...alike, charge]) <= most) continue
    const time = withinSeconds === undefined ? 'at once' : `within ${withinSeconds} s`
    return `guard budget "${name}": ${most} ${counts} ${time}${placeOf(budget, charge)}, and ${amount(counts, alike)} are counted`
  }
  return undefined
}
const isCounted = ({ verbs: only }: Budget, { verb }: Charge): boolean => (only ? only.includes(verb) : isDisruptive(verb))
const isAlike = ({ per }: Budget, one: Charge, other: Charge): boolean => per === 'cluster' || one[per] === other[per]
const placeOf = ({ per }: Budget, charge: Charge): string => (per === 'cluster' ? '' : ` in ${per} ${charge[per] ?? '(none)'}`)

/** A node that is drained and then deleted is one node. */
const amount = (counts: Budget['counts'], charges: readonly Charge[]): number => {
  if (counts === 'actions') return charges.length
  if (counts === 'pods') return charges.reduce((sum, { pods = 0 }) => sum + pods, 0)
  return new Set(charges.flatMap(({ node }) => node ?? [])).size
}

/** Pure: for how long somebody may approve an order before it begins, ms; undefined: nobody has to. */
export const approvalTime = ({ approval }: Guard, verb: Verb): number | undefined =>
  approval?.verbs.includes(verb) ? approval.expirySeconds * 1_000 : undefined
