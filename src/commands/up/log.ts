import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import type { Log } from '../../runtime/ground.ts'

/** Log lines as JSON: to standard output, or to a file where a person watches the terminal. */
export const createLog = (home: string, isTerminal: boolean): Log => {
  const level = process.env['LOG_LEVEL'] ?? 'info'
  if (!isTerminal) return pino({ level, base: null })
  mkdirSync(home, { recursive: true, mode: 0o700 })
  return pino({ level, base: null }, pino.destination({ dest: join(home, 'quartermaster.log'), mode: 0o600, sync: false }))
}
