import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  type Connection,
  connectionsIn,
  removeConnection,
  runningIn,
  systemFolder,
  writeConnection,
} from '../../src/commands/home.ts'

const withFolder = (work: (home: string) => void): void => {
  const home = mkdtempSync(join(tmpdir(), 'qm-home-'))
  try {
    work(home)
  } finally {
    rmSync(home, { recursive: true })
  }
}
const connection = (cluster: string, more: Partial<Connection> = {}): Connection => ({
  url: 'nats://127.0.0.1:1',
  cluster,
  context: `${cluster}-context`,
  pid: process.pid,
  startedAt: 1,
  ...more,
})
const write = (home: string, wanted: Connection): void => writeConnection(systemFolder(home, wanted.cluster), wanted)
/** Of a process that has been, and is no more. */
const deadPid = (): number => spawnSync(process.execPath, ['--version']).pid
const silent = (): void => {
  throw new Error('there is nothing to say')
}

test("home: every system that runs under it is found, the newest last, and its file is its owner's alone", () =>
  withFolder((home) => {
    expect(runningIn(join(home, 'none'), silent)).toEqual([])
    write(home, connection('demo', { startedAt: 3 }))
    write(home, connection('prod', { startedAt: 1 }))
    write(home, connection('staging', { startedAt: 2 }))
    expect(runningIn(home, silent).map(({ cluster }) => cluster)).toEqual(['prod', 'staging', 'demo'])
    expect(statSync(join(systemFolder(home, 'prod'), 'connection.json')).mode & 0o777).toBe(0o600)
  }))

test('home: the file of a process that is no more is said and removed, the others stay', () =>
  withFolder((home) => {
    const pid = deadPid()
    write(home, connection('demo'))
    write(home, connection('prod', { pid }))
    const said: string[] = []
    expect(runningIn(home, (sentence) => said.push(sentence))).toMatchObject([{ cluster: 'demo' }])
    expect(said).toEqual([expect.stringContaining(`"prod" (process ${pid})`)])
    expect([...connectionsIn(home).values()]).toMatchObject([{ cluster: 'demo' }])
    expect(runningIn(home, silent)).toHaveLength(1)
  }))

test('home: a system that ends takes its own file away, and not that of the one after it', () =>
  withFolder((home) => {
    const [first, second] = [connection('demo', { pid: deadPid() }), connection('demo')]
    write(home, second)
    removeConnection(home, first)
    expect(connectionsIn(home).size).toBe(1)
    removeConnection(home, second)
    expect(connectionsIn(home).size).toBe(0)
    removeConnection(home, second)
  }))

test('home: a file of an older release is read, a damaged one is named', () =>
  withFolder((home) => {
    mkdirSync(home, { recursive: true })
    const file = join(home, 'connection.json')
    writeFileSync(file, JSON.stringify({ url: 'nats://127.0.0.1:1', cluster: 'demo', pid: process.pid }))
    expect(runningIn(home, silent)).toMatchObject([{ cluster: 'demo', context: 'unknown' }])
    writeFileSync(file, '{"url": ')
    expect(() => runningIn(home, silent)).toThrow(`${file} is damaged: remove it`)
  }))
