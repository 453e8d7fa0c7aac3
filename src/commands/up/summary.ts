import { styleText } from 'node:util'
import type { CloudEvent } from '../../runtime/projector.ts'
import { headRows } from '../status.ts'
import { table } from '../table.ts'
import { eventLine } from '../watch.ts'
import type { Status } from './asks.ts'

const EVENTS = 12
const REDRAW_MS = 500

/** A summary that lives at the bottom of a terminal: redrawn in place, cut to the terminal's width and height. */
export const livingSummary = (stream: NodeJS.WriteStream, read: () => Promise<Status>, hint: string) => {
  const events: string[] = []
  let drawn = 0
  let drawing = false

  const draw = async (): Promise<void> => {
    if (drawing) return
    drawing = true
    try {
      const status = await read()
      const text = `${table(headRows(status))}\n${styleText('bold', 'Last events')}\n${events.map((line) => `${line}\n`).join('')}\n${hint}\n`
      const lines = text.split('\n').slice(0, Math.max(4, stream.rows - 1))
      stream.write(
        `${drawn > 0 ? `\x1b[${drawn}A` : ''}${lines.map((line) => `\x1b[2K${cut(line, stream.columns)}`).join('\n')}\x1b[0J`,
      )
      drawn = lines.length - 1
    } finally {
      drawing = false
    }
  }
  const timer = setInterval(() => void draw().catch(() => {}), REDRAW_MS) // the next one shows what this one could not
  return {
    add: (event: CloudEvent): void => {
      events.push(eventLine(event))
      events.splice(0, events.length - EVENTS)
    },
    stop: (): void => {
      clearInterval(timer)
      stream.write('\n')
    },
  }
}

/** Cuts to so many visible columns; colours end with the line. */
const cut = (line: string, columns: number): string => {
  let visible = 0
  let end = 0
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences are ours
  for (const part of line.matchAll(/\x1b\[[0-9;]*m|[\s\S]/gu)) {
    if (!part[0].startsWith('\x1b') && ++visible >= columns) break
    end = part.index + part[0].length
  }
  return `${line.slice(0, end)}\x1b[0m`
}
