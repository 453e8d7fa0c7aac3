import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, nkeyAuthenticator } from 'nats'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { StoreInUse } from '../../../src/adapters/nats-server/folder.ts'
import { type NatsServerOptions, startNatsServer } from '../../../src/adapters/nats-server/start.ts'
import { natsBinary, natsForTest } from '../../nats.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'qm-nats-server-')))
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(root, 'test-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const start = async (options: Partial<NatsServerOptions> = {}) => {
  const server = await startNatsServer({
    binary: natsBinary(),
    storeFolder: join(folder, 'store'),
    name: 'qm-test',
    auth: 'none',
    ...options,
  })
  onTestFinished(() => server.stop())
  return server
}
const statusOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return 'State: X (gone since)'
  }
}
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    // Whoever is orphaned here may wait for ever for an init that reaps it.
    return process.platform !== 'linux' || !/^State:\s+[ZX]/m.test(statusOf(pid))
  } catch {
    return false
  }
}
const until = async (holds: () => boolean): Promise<void> => {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 500) throw new Error(`does not come true: ${holds}`)
    await sleep(10)
  }
}

test('nats-server: only who has the seed may connect, the files are for their owner alone, and the seed stays', async () => {
  const server = await start({ auth: 'nkey' })
  const seedFile = server.seedFile ?? ''
  await expect(connect({ servers: server.url })).rejects.toThrow('Authorization')
  const nc = await connect({ servers: server.url, authenticator: nkeyAuthenticator(readFileSync(seedFile)) })
  expect(nc.info).toMatchObject({ jetstream: true, server_name: 'qm-test', max_payload: 2 ** 20, host: '127.0.0.1' })
  await nc.close()
  for (const file of [seedFile, join(folder, 'store', 'nats-server.conf'), join(folder, 'store', 'nats-server.log')])
    expect(statSync(file).mode & 0o077).toBe(0)
  const seed = readFileSync(seedFile, 'utf8')
  await server.stop()
  const again = await start({ auth: 'nkey' })
  expect(readFileSync(again.seedFile ?? '', 'utf8')).toBe(seed)
})

test('nats-server: stops when told, and what it had is there at the next start', async () => {
  const first = await start()
  const pid = first.pid() ?? 0
  const nc = await connect({ servers: first.url })
  await (await nc.jetstreamManager()).streams.add({ name: 'KEPT', subjects: ['kept'] })
  await nc.jetstream().publish('kept')
  await nc.close()
  await first.stop()
  expect(isAlive(pid)).toBe(false)
  const second = await start()
  const reader = await connect({ servers: second.url })
  expect((await (await reader.jetstreamManager()).streams.info('KEPT')).state.messages).toBe(1)
  await reader.close()
})

test('nats-server: limits and sync reach the server', async () => {
  const server = await start({ maxStoreBytes: 2 ** 26, syncAlways: true })
  const nc = await connect({ servers: server.url })
  const jsm = await nc.jetstreamManager()
  await expect(jsm.streams.add({ name: 'BIG', subjects: ['big'], max_bytes: 2 ** 27 })).rejects.toThrow('insufficient storage')
  await nc.close()
})

test('nats-server: two never share a store, and the error names the owner', async () => {
  await start()
  await expect(start()).rejects.toBeInstanceOf(StoreInUse)
  await expect(start()).rejects.toThrow(
    `the folder ${join(folder, 'store')} is in use by the process ${process.pid}: end that one, or`,
  )
})

test('nats-server: a failed start gives the store back and tells the end of the log', async () => {
  const busy = createServer().listen(0, '127.0.0.1')
  await once(busy, 'listening')
  onTestFinished(() => void busy.close())
  const { port } = busy.address() as { port: number }
  await expect(start({ port })).rejects.toThrow(/ended at once \(1\).*address already in use/s)
  await expect(start({ binary: '/no/such/server' })).rejects.toThrow(/ended at once \(127\).*not found/s)
  await start()
})

test('nats-server: one that dies is started again on its port, and keeps what it had', async () => {
  const progress: string[] = []
  const server = await start({ onProgress: (line) => progress.push(line) })
  const writer = await connect({ servers: server.url, reconnect: false })
  await (await writer.jetstreamManager()).streams.add({ name: 'KEPT', subjects: ['kept'] })
  await writer.jetstream().publish('kept')
  const pid = server.pid() ?? 0
  process.kill(pid, 'SIGKILL')
  await until(() => progress.length === 2)
  expect(progress).toEqual([
    'nats-server ended (SIGKILL); starting it again in 100 ms',
    `nats-server runs again on port ${server.port}`,
  ])
  expect(server.pid()).not.toBe(pid)
  const reader = await connect({ servers: server.url })
  expect((await (await reader.jetstreamManager()).streams.info('KEPT')).state.messages).toBe(1)
  await reader.close()
})

test('nats-server: one that is told to stop while it is down stays down', async () => {
  const server = await start()
  process.kill(server.pid() ?? 0, 'SIGKILL')
  await until(() => server.pid() === undefined)
  await server.stop()
  await expect(connect({ servers: server.url })).rejects.toThrow('CONNECTION_REFUSED')
})

test('nats-server: the one for tests crashes and freezes on demand, and its clients find it again', async () => {
  await using nats = await natsForTest()
  const { nc, crash, freeze, thaw } = nats
  await (await nc.jetstreamManager()).streams.add({ name: 'KEPT', subjects: ['kept'] })
  await nc.jetstream().publish('kept')
  await crash()
  freeze()
  await expect(nc.jetstream().publish('kept', undefined, { timeout: 50 })).rejects.toThrow('TIMEOUT')
  thaw()
  await nc.flush()
  expect((await (await nc.jetstreamManager()).streams.info('KEPT')).state.messages).toBeGreaterThan(0)
})

test('nats-server: without restart its end is told', async () => {
  const server = await start({ restart: false })
  process.kill(server.pid() ?? 0, 'SIGKILL')
  expect(await server.ended).toEqual({ code: null, signal: 'SIGKILL' })
  await start()
})

/** A process of its own that starts a server and prints the server's pid. */
const parent = async (): Promise<{ readonly pid: number; readonly server: number; readonly kill: () => Promise<void> }> => {
  const source = `import { startNatsServer } from ${JSON.stringify(new URL('../../../src/adapters/nats-server/start.ts', import.meta.url).href)}
const server = await startNatsServer({ binary: process.argv[1], storeFolder: process.argv[2], name: 'orphan', auth: 'none' })
console.log(server.pid())`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', source, natsBinary(), join(folder, 'store')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  return { pid: child.pid ?? 0, server: Number(line), kill }
}

test('nats-server: a store in use by another process is refused with its pid', async () => {
  const { pid } = await parent()
  await expect(start()).rejects.toThrow(`is in use by the process ${pid}: end that one, or give this one a folder of its own`)
})

test('nats-server: does not outlive a parent that is killed with -9', async () => {
  const { kill, server } = await parent()
  expect(isAlive(server)).toBe(true)
  await kill()
  await until(() => !isAlive(server))
})

test('nats-server: one that an earlier run left behind has ended before the store is used again', async () => {
  const { kill, server } = await parent()
  // Frozen, it can't follow its watcher's SIGTERM.
  process.kill(server, 'SIGSTOP')
  await kill()
  const progress: string[] = []
  const mine = await start({
    onProgress: (line) => {
      progress.push(line)
      setTimeout(() => process.kill(server, 'SIGCONT'), 200)
    },
  })
  expect(progress).toEqual([`ending the nats-server ${server} that an earlier run left behind`])
  expect(isAlive(server)).toBe(false)
  expect(mine.pid()).not.toBe(server)
})
