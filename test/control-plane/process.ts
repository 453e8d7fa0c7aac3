import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Writable } from 'node:stream'

/** One program of the control plane. */
export type Running = {
  readonly name: string
  readonly pid: number
  /** How it ended, undefined while it runs. */
  ended(): string | undefined
  /** Settles when it ends, whoever ended it. */
  readonly exited: Promise<void>
  /** Nothing here needs a graceful end. */
  kill(): Promise<void>
  signal(name: NodeJS.Signals): void
  /** The end of its log. */
  lastWords(): string
}

// The shell becomes the program, so the pid is the program's own. The watcher beside it reads a pipe from us: when that
// closes without a word we are dead, kill -9 too, and the program has to go, and then its folder. The pipe is not stdin, which Node closes itself
// when the program ends: the watcher would kill whoever has the pid then.
const LAUNCH = `
( read -r word <&3 && exit 0; kill -KILL $$; sleep 1; rm -rf "$CONTROL_PLANE" ) &
exec 3<&-
exec "$@"
`

/** Starts a program that ends when this process does. */
export const run = (name: string, binary: string, args: readonly string[], folder: string): Running => {
  const file = `${folder}/${name}.log`
  const log = openSync(file, 'a', 0o600)
  const child = spawn('/bin/sh', ['-c', LAUNCH, name, binary, ...args], {
    detached: true, // Ctrl-C is for us, and we end it
    env: { PATH: process.env['PATH'], HOME: folder, CONTROL_PLANE: folder },
    stdio: ['ignore', log, log, 'pipe'],
  })
  closeSync(log)
  child.on('error', () => {}) // without a pid it did not start, which is said below
  const { pid } = child
  const pipe = child.stdio[3] as Writable | null
  if (pid === undefined || !pipe) throw new Error(`${name}: /bin/sh can not be started`)
  pipe.on('error', () => {}) // its reader has gone, and so has the program
  let ended: string | undefined
  const exited = new Promise<void>((resolve) =>
    child.once('exit', (code, signal) => {
      ended = String(signal ?? code)
      pipe.end('ended\n')
      resolve()
    }),
  )
  return {
    name,
    pid,
    ended: () => ended,
    exited,
    kill: async () => {
      if (ended === undefined) child.kill('SIGKILL')
      await exited
    },
    signal: (signal) => send(child, name, signal),
    lastWords: () => readFileSync(file, 'utf8').trimEnd().split('\n').slice(-5).join('\n'),
  }
}

const send = (child: ChildProcess, name: string, signal: NodeJS.Signals): void => {
  if (!child.kill(signal)) throw new Error(`${name} has ended: it can not be sent ${signal}`)
}
