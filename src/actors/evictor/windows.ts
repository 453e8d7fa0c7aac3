import type { DisruptionWindow } from '../../events/plan.ts'

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

const minutesOf = (text: string): number => {
  const [hours = 0, minutes = 0] = text.split(':').map(Number)
  return 60 * hours + minutes
}

/** The day of the week and the minute of the day, by the clocks of the time zone. */
const localTime = (at: number, timeZone: string): { readonly day: number; readonly minute: number } => {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(at)
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? ''
  return {
    day: DAYS.indexOf(part('weekday')),
    minute: 60 * Number(part('hour')) + Number(part('minute')),
  }
}

/**
 * Whether a window is open. One that ends before it begins ends on the next day, and is that of the day on which it began; one
 * that ends when it begins lasts a whole day. @param at epoch milliseconds
 */
const isOpen = ({ days, from, to, timeZone }: DisruptionWindow, at: number): boolean => {
  const { day, minute } = localTime(at, timeZone)
  const begins = minutesOf(from)
  const ends = minutesOf(to) > begins ? minutesOf(to) : minutesOf(to) + 24 * 60
  const isIn = (on: number, time: number): boolean =>
    (days?.some((name) => name === DAYS[on]) ?? true) && time >= begins && time < ends
  return isIn(day, minute) || isIn((day + 6) % 7, minute + 24 * 60)
}

/** Whether something may be disrupted now. No windows at all: at any time. @param at epoch milliseconds */
export const mayDisrupt = (windows: readonly DisruptionWindow[], at: number): boolean =>
  windows.length === 0 || windows.some((window) => isOpen(window, at))
