import { type Coverage, coverageOf } from './coverage.ts'
import type { FaultKind } from './faults.ts'
import { plays } from './plays.ts'
import type { Report } from './simulate.ts'

/** What many worlds came to, so that it can be sent from thread to thread. */
export type Tally = {
  seeds: number
  transitions: number
  leastTransitions: number
  leastFaults: number
  effects: number
  commands: number
  lastedMs: number
  readonly faults: Partial<Record<FaultKind, number>>
  readonly states: Set<string>
  readonly violations: { readonly seed: number; readonly invariant: string; readonly detail: string }[]
}

export const emptyTally = (): Tally => ({
  seeds: 0,
  transitions: 0,
  leastTransitions: Number.POSITIVE_INFINITY,
  leastFaults: Number.POSITIVE_INFINITY,
  effects: 0,
  commands: 0,
  lastedMs: 0,
  faults: {},
  states: new Set(),
  violations: [],
})

const sumOf = (counts: Readonly<Partial<Record<FaultKind, number>>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

export const counted = (tally: Tally, report: Report): void =>
  merged(tally, {
    seeds: 1,
    transitions: report.transitions,
    leastTransitions: report.transitions,
    leastFaults: sumOf(report.faults),
    effects: report.effects,
    commands: report.commands,
    lastedMs: report.lasted,
    faults: report.faults,
    states: new Set(report.states),
    violations: report.violation ? [{ seed: report.seed, ...report.violation }] : [],
  })

/** Adds the second to the first. */
export const merged = (tally: Tally, more: Tally): void => {
  for (const part of ['seeds', 'transitions', 'effects', 'commands', 'lastedMs'] as const) tally[part] += more[part]
  for (const part of ['leastTransitions', 'leastFaults'] as const) tally[part] = Math.min(tally[part], more[part])
  for (const [kind, count] of Object.entries(more.faults) as [FaultKind, number][])
    tally.faults[kind] = (tally.faults[kind] ?? 0) + count
  for (const state of more.states) tally.states.add(state)
  tally.violations.push(...more.violations)
}

export const coverageIn = ({ states }: Tally): Coverage =>
  coverageOf(
    Object.values(plays).flatMap(({ definitions }) => definitions),
    states,
  )
