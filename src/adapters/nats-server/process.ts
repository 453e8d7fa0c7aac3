import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { readIfThere, type ServerFolder } from './folder.ts'

/** How a server ended. */
export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export type ServerProcess = {
  readonly pid: number
  /** Undefined while it runs. */
  exit(): Exit | undefined
  readonly exited: Promise<Exit>
  /** Ends it, and makes sure after `STOP_MS`. */
  stop(): Promise<void>
}

/** Milliseconds that a server has to close its store before it is killed. */
const STOP_MS = 10_000
const LOOK_MS = 20

/**
 * The shell becomes the server (exec), so the pid and the exit are the server's own. A pipe from us says two things:
 * 1. it starts nothing before we say `start`, which we do after its pid is written down: no server without a pid file;
 * 2. the watcher beside it reads on. If the pipe closes without `ended`, we are dead (kill -9 too) and the server has to go.
 * It is not stdin, which Node closes itself when the server ends: the watcher would then end whoever has the pid by now.
 * The server is not in our terminal's process group: Ctrl-C is for us alone, and we end it when its clients have finished.
 */
const LAUNCH = `
read -r word <&3 || exit 0
(
  read -r word <&3 && exit 0
  kill -TERM $$ 2>/dev/null || exit 0
  for i in ${Array.from({ length: STOP_MS / 1000 }, (_, second) => second).join(' ')}; do
    sleep 1
    kill -0 $$ 2>/dev/null || exit 0
  done
  kill -KILL $$ 2>/dev/null
) &
exec 3<&-
exec "$@"
`

/** Starts the binary on the folder's config. The caller has taken the folder, and no server runs on it. */
export const launch = (binary: string, folder: ServerFolder): ServerProcess => {
  const log = openSync(folder.log, 'a', 0o600)
  const child = spawn('/bin/sh', ['-c', LAUNCH, 'nats-server', binary, '-c', folder.config], {
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
  })
  closeSync(log)
  // Without a pid it did not start, which is said below.
  child.on('error', () => {})
  const { pid } = child
  const pipe = child.stdio[3] as Writable | null
  if (pid === undefined || !pipe) throw new Error('/bin/sh can not be started, and it has to watch over nats-server')
  // A server that ended does not read any more, and that is no failure of ours.
  pipe.on('error', () => {})
  try {
    writeFileSync(folder.pid, `${pid}\n`, { mode: 0o600 })
  } catch (error) {
    pipe.destroy()
    throw error
  }
  pipe.write('start\n')
  let exit: Exit | undefined
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      exit = { code, signal }
      pipe.end('ended\n')
      rmSync(folder.pid, { force: true })
      resolve(exit)
    })
  })
  return { pid, exit: () => exit, exited, stop: () => stopped(child, exited) }
}

const stopped = async (child: ChildProcess, exited: Promise<Exit>): Promise<void> => {
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await exited
  clearTimeout(force)
}

/**
 * Ends the server that a killed owner of the folder left behind, if it has not ended yet. It is not adopted: it would end
 * with the dead owner's pipe, and may have another configuration.
 */
export const endOrphan = async (folder: ServerFolder, onProgress: (message: string) => void): Promise<void> => {
  const pid = Number(readIfThere(folder.pid)?.trim())
  const lives = async (): Promise<boolean> => (await commandOf(pid))?.trimEnd().endsWith(` -c ${folder.config}`) ?? false
  if (!Number.isSafeInteger(pid) || pid <= 1 || !(await lives())) return
  onProgress(`ending the nats-server ${pid} that an earlier run left behind`)
  signal(pid, 'SIGTERM')
  for (let waited = 0; await lives(); waited += LOOK_MS) {
    if (waited >= STOP_MS) signal(pid, 'SIGKILL')
    if (waited >= 2 * STOP_MS) throw new Error(`the nats-server ${pid} of an earlier run does not end: end it and start again`)
    await sleep(LOOK_MS)
  }
}

const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** The command line of a process, its words joined by blanks; undefined (or empty: a zombie) when there is no such process. */
const commandOf = async (pid: number): Promise<string | undefined> => {
  if (process.platform !== 'linux')
    return (await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).catch(gone)).stdout
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined
    throw error
  })
  return words?.replaceAll('\0', ' ')
}

/** `ps` ends with 1 when there is no such process. */
const gone = (error: { readonly code?: number | string }): { readonly stdout: string } => {
  if (error.code !== 1) throw error
  return { stdout: '' }
}
