import type { Archive } from './archive.ts'
import type { Breath } from './breath.ts'
import type { Chance } from './chance.ts'
import type { Clock } from './clock.ts'
import type { Inbox } from './inbox.ts'
import type { Journal } from './journal.ts'
import type { Licence } from './licence.ts'
import type { Meter } from './meter.ts'
import type { Snapshots } from './snapshots.ts'
import type { Timers } from './timers.ts'

export type Log = Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>

/** Where a test may stop the process: by a promise that never resolves. */
export type KillPoint = 'before-append' | 'after-append' | 'before-effect' | 'after-effect'

/** What an actor stands on. */
export type Ground = {
  /** Unique per process: the first half of the owner id. */
  readonly process: string
  readonly journal: Journal
  readonly inbox: Inbox
  readonly clock: Clock
  readonly chance: Chance
  readonly snapshots?: Snapshots
  readonly archive?: Archive
  /** Sequence up to which everybody was told the journal's facts: nothing after it is purged. Absent: nobody is told. */
  readonly told?: () => Promise<number>
  readonly timers: Timers
  readonly licence: Licence
  readonly log: Log
  /** Absent: nobody counts. */
  readonly meter?: Meter | undefined
  /** Absent: whatever is there is decided in one turn of the event loop. */
  readonly breath?: Breath | undefined
  readonly reach?: (point: KillPoint, detail: string) => Promise<void>
}
