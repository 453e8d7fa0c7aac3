import { type ChildProcess, spawn } from 'node:child_process'
import { Failed, Unavailable } from '../../ports.ts'
import { askAgain } from '../../runtime/licence.ts'

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }
export type Run = {
  readonly binary: string
  readonly args: readonly string[]
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>
  readonly input: string
  /** Holds what nobody else may see: it goes with us, also when we are killed. */
  readonly folder: string
  /** After so long it is told to end, ms. */
  readonly longestMs: number
}

/** Helm marks a release as failed when it is told to end, which takes a request or two. */
const STOP_SECONDS = 20
/** A rendered chart of 1 MiB, which is the most that a release can hold, has this many times over room in it. */
const MOST_CHARACTERS = 64 * 2 ** 20

/**
 * The shell becomes Helm (exec). Beside it a watcher reads a pipe from us: if that closes without a word, we are dead
 * (kill -9 too), and Helm has to end as if we had told it: an upgrade that goes on without anybody is nobody's.
 */
const WATCHED = `
(
  read -r word <&3 && exit 0
  kill -TERM $$ 2>/dev/null
  for i in ${Array.from({ length: STOP_SECONDS }, (_, second) => second).join(' ')}; do
    kill -0 $$ 2>/dev/null || break
    sleep 1
  done
  kill -KILL $$ 2>/dev/null
  rm -rf "$QM_FOLDER"
) </dev/null >/dev/null 2>&1 &
exec 3<&-
exec "$@"
`

/**
 * Runs Helm to its end. Aborted, or after its time, it gets SIGTERM, and 20 s later SIGKILL; it has ended when this settles.
 * @throws the signal's reason; Held when it was not started, for want of a licence; Unavailable when it can't be started; Failed when it took too long or said too much
 */
export const run = async ({ binary, args, env, input, folder, longestMs }: Run, signal: AbortSignal): Promise<Ended> => {
  signal.throwIfAborted()
  askAgain()
  const child = spawn('/bin/sh', ['-c', WATCHED, 'helm', binary, ...args], {
    detached: true, // Ctrl-C on a terminal is for us, and we end it
    env: { ...env, QM_FOLDER: folder },
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  })
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(new Failed(`helm ${args[0]} took longer than ${longestMs / 1_000} s`)), longestMs)
  const ends = ending(child, AbortSignal.any([signal, limit.signal]))
  try {
    return await heard(child, input, limit)
  } finally {
    clearTimeout(timer)
    ends()
    signal.throwIfAborted()
    limit.signal.throwIfAborted()
  }
}

/** Ends it when the signal aborts. @returns what forgets it */
const ending = (child: ChildProcess, signal: AbortSignal): (() => void) => {
  let force: NodeJS.Timeout | undefined
  const end = (): void => {
    child.kill('SIGTERM')
    force = setTimeout(() => child.kill('SIGKILL'), STOP_SECONDS * 1_000)
  }
  signal.addEventListener('abort', end, { once: true })
  return () => {
    signal.removeEventListener('abort', end)
    clearTimeout(force)
  }
}

const heard = (child: ChildProcess, input: string, limit: AbortController): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const [stdin, stdout, stderr, alive] = child.stdio as unknown as [Writable, Readable, Readable, Writable]
    for (const stream of [stdin, alive]) stream.on('error', () => {}) // who has ended does not read any more
    const said = [stdout, stderr].map((stream) => {
      const text = { said: '' }
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        if (text.said.length + chunk.length > MOST_CHARACTERS) limit.abort(new Failed('helm says more than 64 MiB'))
        else text.said += chunk
      })
      return text
    })
    child.once('error', (error) => reject(new Unavailable(`helm can't be started: ${error.message}`, { cause: error })))
    child.once('exit', () => alive.end('ended\n'))
    child.once('close', (code) => resolve({ code, stdout: said[0]?.said ?? '', stderr: said[1]?.said ?? '' }))
    stdin.end(input)
  })

type Readable = NodeJS.ReadableStream
type Writable = NodeJS.WritableStream
