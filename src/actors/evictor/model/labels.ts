import type { LabelSelector } from '../../../events/kubernetes.ts'
import { selects } from '../../../events/selector.ts'
import type { Shape } from './shape.ts'

type Labels = Readonly<Record<string, string>>

/** The pods of one namespace that carry the same labels. To selectors they are one: each is asked once for all of them. */
export type LabelSet = {
  /** Its place in the bit sets; given to another set when the last pod has gone. */
  readonly id: number
  readonly namespace: string
  readonly labels: Labels
  readonly shapes: Set<Shape>
}

/** Which pods a term means: of these namespaces (undefined: of all), and of those whose labels `namespaceSelector` selects. */
export type Term = {
  readonly namespaces: readonly string[] | undefined
  readonly namespaceSelector?: LabelSelector | undefined
  readonly selector: LabelSelector | null | undefined
}

/** A compiled selection: the label sets that all of its terms mean, as a bit set. */
export type Selection = {
  readonly key: string
  readonly has: (labelSet: LabelSet) => boolean
}

/** What labels are there, and what is compiled over them. */
export type LabelBook = {
  readonly intern: (namespace: string, labels: Labels) => LabelSet
  /** The last of its shapes has gone: its number goes to another. */
  readonly release: (labelSet: LabelSet) => void
  /** Compiled once for as long as no namespace changes its labels. */
  readonly compile: (terms: readonly Term[]) => Selection
  /** Namespaces have changed: what was compiled is forgotten, and nobody may use it any more. */
  readonly forget: () => void
  /** Counts how often all was forgotten. */
  readonly generation: () => number
}

const sorted = (labels: Labels): string => JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
const bitOf = (bits: Uint32Array, id: number): boolean => (((bits[id >>> 5] ?? 0) >>> (id & 31)) & 1) === 1

/** @param namespaceLabels the labels of a namespace; undefined while it is not known */
export const createLabelBook = (namespaceLabels: (name: string) => Labels | undefined): LabelBook => {
  const byKey = new Map<string, LabelSet>()
  const keys = new Map<LabelSet, string>()
  const compiled = new Map<string, Selection & { readonly unlearn: (id: number) => void }>()
  const freed: number[] = []
  let ids = 0
  let forgotten = 0

  const isOf = ({ namespaces, namespaceSelector }: Term, namespace: string): boolean =>
    namespaces === undefined ||
    namespaces.includes(namespace) ||
    (namespaceSelector != null && selects(namespaceSelector, namespaceLabels(namespace) ?? {}))

  const compile = (terms: readonly Term[]): Selection => {
    const key = JSON.stringify(terms)
    const found = compiled.get(key)
    if (found) return found
    let asked = new Uint32Array(8)
    let means = new Uint32Array(8)
    const has = (labelSet: LabelSet): boolean => {
      const { id, namespace, labels } = labelSet
      if (bitOf(asked, id)) return bitOf(means, id)
      if (id >>> 5 >= asked.length) {
        asked = widened(asked, id)
        means = widened(means, id)
      }
      const bit = 1 << (id & 31)
      asked[id >>> 5] = (asked[id >>> 5] ?? 0) | bit
      const answer = terms.every((term) => isOf(term, namespace) && selects(term.selector, labels))
      if (answer) means[id >>> 5] = (means[id >>> 5] ?? 0) | bit
      return answer
    }
    const unlearn = (id: number): void => {
      if (!bitOf(asked, id)) return
      asked[id >>> 5] = (asked[id >>> 5] ?? 0) & ~(1 << (id & 31))
      means[id >>> 5] = (means[id >>> 5] ?? 0) & ~(1 << (id & 31))
    }
    const selection = { key, has, unlearn }
    compiled.set(key, selection)
    return selection
  }

  return {
    compile,
    intern(namespace, labels) {
      const key = `${namespace}/${sorted(labels)}`
      const known = byKey.get(key)
      if (known) return known
      const labelSet: LabelSet = { id: freed.pop() ?? ids++, namespace, labels, shapes: new Set() }
      byKey.set(key, labelSet)
      keys.set(labelSet, key)
      return labelSet
    },
    release(labelSet) {
      byKey.delete(keys.get(labelSet) ?? '')
      keys.delete(labelSet)
      for (const { unlearn } of compiled.values()) unlearn(labelSet.id)
      freed.push(labelSet.id)
    },
    forget() {
      compiled.clear()
      forgotten += 1
    },
    generation: () => forgotten,
  }
}
const widened = (bits: Uint32Array, id: number): Uint32Array<ArrayBuffer> => {
  const wide = new Uint32Array(Math.max(bits.length * 2, (id >>> 5) + 1))
  wide.set(bits)
  return wide
}
