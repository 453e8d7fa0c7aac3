import type { Note } from '../../adapters/kubernetes/redaction/rule.ts'
import { printable, table } from '../table.ts'

/** How many values of one path were kept as they were, replaced by a marker or cut, and dropped with all below them. */
type Counts = { kept: number; replaced: number; dropped: number }
type Of = { objects: number; readonly paths: Map<string, Counts> }

/** What was done to a whole dump, by kind and path. */
export type RedactionReport = {
  /** Counts one object of a kind; what it returns is to hear of the object's values. */
  object(kind: string): Note
  text(): string
  json(): readonly object[]
}

/** Paths kept per kind; a cluster that has more sends nonsense, and is counted under one name. */
const PATHS = 5_000

export const redactionReport = (): RedactionReport => {
  const kinds = new Map<string, Of>()
  const object = (name: string): Note => {
    const kind = kinds.get(name) ?? { objects: 0, paths: new Map<string, Counts>() }
    kinds.set(name, kind)
    kind.objects++
    return (path, outcome) => countsOf(kind.paths, path)[outcome]++
  }
  return {
    object,
    json: () =>
      [...kinds].map(([kind, of]) => ({
        kind,
        objects: of.objects,
        paths: sorted(of).map(([path, counts]) => ({ path, ...counts })),
      })),
    text: () => [...kinds].map(([kind, of]) => section(kind, of)).join('\n'),
  }
}

const countsOf = (paths: Map<string, Counts>, path: string): Counts => {
  const name = paths.has(path) || paths.size < PATHS ? path : '(more)'
  const known = paths.get(name)
  if (known) return known
  const counts = { kept: 0, replaced: 0, dropped: 0 }
  paths.set(name, counts)
  return counts
}

const sorted = ({ paths }: Of): readonly [string, Counts][] => [...paths].sort(([a], [b]) => (a < b ? -1 : 1))

const section = (kind: string, of: Of): string => {
  const rows = sorted(of).map(([path, { kept, replaced, dropped }]) => [printable(path), kept, replaced, dropped])
  return `${printable(kind)}: ${of.objects} objects\n${table([['PATH', 'KEPT', 'REPLACED', 'DROPPED'], ...rows])}`
}
