import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, nkeyAuthenticator } from 'nats'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { OLDEST_SERVER } from '../../src/adapters/jetstream/streams.ts'
import { findNatsServer } from '../../src/adapters/nats-server/find.ts'
import { platformOf } from '../../src/adapters/nats-server/install.ts'
import { type NatsServerOptions, startNatsServer } from '../../src/adapters/nats-server/start.ts'
import { OLDEST_VERSION, olderThan, PINNED_VERSION } from '../../src/adapters/nats-server/version.ts'
import { natsBinary, natsForTest } from '../nats.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'qm-nats-server-')))
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(root, 'test-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** An executable shell script. */
const script = (file: string, body: string): string => {
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, `#!/bin/sh\n${body}\n`)
  chmodSync(file, 0o755)
  return file
}
const fake = (file: string, version: string): string => script(file, `echo nats-server: v${version}`)
const cacheFolder = (): string => join(folder, 'cache')
const cached = (): string => join(cacheFolder(), `nats-server-${PINNED_VERSION}`)
/** A PATH of these folders under the test's, and the system's for tar and gzip, which have neither server nor Go. */
const path = (...names: readonly string[]): NodeJS.ProcessEnv => ({ PATH: names.map((name) => join(folder, name)).join(':') })
const nowhere = 'http://127.0.0.1:9'
const find = (env: NodeJS.ProcessEnv, releaseBase = nowhere) => {
  const progress: string[] = []
  const found = findNatsServer({ env, cacheFolder: cacheFolder(), releaseBase, onProgress: (line) => progress.push(line) })
  return { found, progress }
}

test('nats-server: the wish in NATS_SERVER_BIN comes first', async () => {
  const wished = fake(join(folder, 'mine'), '2.13.0')
  fake(join(folder, 'bin', 'nats-server'), '2.14.0')
  const { found } = find({ ...path('bin'), NATS_SERVER_BIN: wished })
  expect(await found).toEqual({ path: wished, version: '2.13.0', source: 'NATS_SERVER_BIN' })
})

test('nats-server: a wish that is too old or missing is an error, not passed over', async () => {
  fake(join(folder, 'bin', 'nats-server'), '2.14.0')
  const old = fake(join(folder, 'old'), '2.10.27')
  await expect(find({ ...path('bin'), NATS_SERVER_BIN: old }).found).rejects.toThrow(
    `NATS_SERVER_BIN: ${old} is nats-server 2.10.27, 2.12.3 is the oldest that works`,
  )
  await expect(find({ ...path('bin'), NATS_SERVER_BIN: '/no/such' }).found).rejects.toThrow(
    "NATS_SERVER_BIN: /no/such can't be run (there is no such file)",
  )
})

test('nats-server: one on PATH that is too old is passed over by name, and the next one is taken', async () => {
  const old = fake(join(folder, 'a', 'nats-server'), '2.9.10')
  const good = fake(join(folder, 'b', 'nats-server'), OLDEST_VERSION)
  const { found, progress } = find(path('a', 'empty', 'b'))
  expect(await found).toEqual({ path: good, version: OLDEST_VERSION, source: 'PATH' })
  expect(progress).toEqual([`${old} is nats-server 2.9.10, 2.12.3 is the oldest that works: upgrade it`])
})

test('nats-server: what is no nats-server is passed over', async () => {
  script(join(folder, 'a', 'nats-server'), 'echo hello 9.9.9')
  script(join(folder, 'b', 'nats-server'), 'exit 3')
  fake(cached(), PINNED_VERSION)
  const { found, progress } = find(path('a', 'b'))
  expect(await found).toMatchObject({ source: 'cache' })
  expect(progress).toHaveLength(2)
})

test('nats-server: the cache comes before an installation', async () => {
  fake(cached(), PINNED_VERSION)
  script(join(folder, 'bin', 'go'), 'exit 9')
  expect(await find(path('bin')).found).toEqual({ path: cached(), version: PINNED_VERSION, source: 'cache' })
})

test('nats-server: go install builds the pinned version into the cache, and says what it does', async () => {
  const go = `[ "$*" = "install -v github.com/nats-io/nats-server/v2@v${PINNED_VERSION}" ] || exit 1
echo "go: downloading it" >&2
printf '#!/bin/sh\\necho nats-server: v${PINNED_VERSION}\\n' > "$GOBIN/nats-server"
chmod +x "$GOBIN/nats-server"`
  script(join(folder, 'bin', 'go'), go.replace('chmod', '/bin/chmod'))
  const { found, progress } = find(path('bin'))
  expect(await found).toEqual({ path: cached(), version: PINNED_VERSION, source: 'go install' })
  expect(progress).toContain('go install: go: downloading it')
  expect(readdirSync(cacheFolder())).toEqual([`nats-server-${PINNED_VERSION}`])
})

test('nats-server: without any, one clear sentence says what to install, and what was tried', async () => {
  script(join(folder, 'bin', 'go'), 'echo "no network" >&2; exit 1')
  const { found } = find(path('bin'))
  await expect(found).rejects.toThrow(
    /^no nats-server here, and none can be had: install nats-server 2\.12\.3 or newer .* NATS_URL/,
  )
  await expect(found).rejects.toThrow('go install: it ends with 1: no network')
  await expect(found).rejects.toThrow(`release: ${nowhere}/SHA256SUMS can't be reached`)
  expect(readdirSync(cacheFolder())).toEqual([])
})

/** A release of a fake server, on a local HTTP server. */
const release = async (version = PINNED_VERSION) => {
  const name = `nats-server-v${PINNED_VERSION}-${platformOf(process.platform, process.arch)}`
  const files = join(folder, 'release')
  fake(join(files, name, 'nats-server'), version)
  await once(spawn('tar', ['-czf', `${name}.tar.gz`, name], { cwd: files }), 'close')
  const sum = createHash('sha256')
    .update(readFileSync(join(files, `${name}.tar.gz`)))
    .digest('hex')
  writeFileSync(join(files, 'SHA256SUMS'), `${'0'.repeat(64)}  other.zip\n${sum}  ${name}.tar.gz\n`)
  const server = createServer((request, response) => {
    response.end(readFileSync(join(files, request.url ?? '')))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { base: `http://127.0.0.1:${(server.address() as { port: number }).port}`, archive: `${name}.tar.gz`, files, sum }
}

test('nats-server: the release is downloaded, checked and kept', async () => {
  const { base } = await release()
  const { found, progress } = find({ PATH: '' }, base)
  expect(await found).toEqual({ path: cached(), version: PINNED_VERSION, source: 'release' })
  expect(progress).toContain(`downloading nats-server ${PINNED_VERSION}: 100 %`)
  expect(readdirSync(cacheFolder())).toEqual([`nats-server-${PINNED_VERSION}`])
  expect(await find({ PATH: '' }).found).toMatchObject({ source: 'cache' })
})

test('nats-server: a release with another checksum is refused by file, expected and found', async () => {
  const { base, archive, files, sum } = await release()
  const wrong = 'a'.repeat(64)
  writeFileSync(join(files, 'SHA256SUMS'), `${wrong}  ${archive}\n`)
  await expect(find({ PATH: '' }, base).found).rejects.toThrow(
    `${base}/${archive} is damaged or not the original: SHA-256 should be ${wrong}, it is ${sum}`,
  )
  writeFileSync(join(files, 'SHA256SUMS'), `${sum}  another.tar.gz\n`)
  await expect(find({ PATH: '' }, base).found).rejects.toThrow(`SHA256SUMS has no line for ${archive}`)
  expect(readdirSync(cacheFolder())).toEqual([])
})

test('nats-server: a release that holds another version is refused', async () => {
  const { base } = await release('2.15.1')
  await expect(find({ PATH: '' }, base).found).rejects.toThrow('what came is nats-server 2.15.1, not 2.15.2')
})

test('nats-server: two who install at once do not disturb each other', async () => {
  const { base } = await release()
  const both = await Promise.all([find({ PATH: '' }, base).found, find({ PATH: '' }, base).found])
  expect(both.map(({ path }) => path)).toEqual([cached(), cached()])
  expect(readdirSync(cacheFolder())).toEqual([`nats-server-${PINNED_VERSION}`])
})

test.each([
  ['2.12.2', true],
  ['2.9.99', true],
  ['2.12.3-RC.1', true],
  ['2.12.3', false],
  ['2.13.0-preview.1', false],
  ['3.0.0', false],
])('nats-server: %s is older than the oldest: %s', (version, older) => {
  expect(olderThan(version, OLDEST_VERSION)).toBe(older)
})

test('nats-server: what is found is new enough for our streams', () => {
  expect(OLDEST_VERSION).toBe(OLDEST_SERVER)
})

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
  await expect(start()).rejects.toThrow(
    `the NATS store ${join(folder, 'store')} is in use by the process ${process.pid}: end that one, or`,
  )
})

test('nats-server: a failed start gives the store back and tells the end of the log', async () => {
  const busy = createTcpServer().listen(0, '127.0.0.1')
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
  const source = `import { startNatsServer } from ${JSON.stringify(new URL('../../src/adapters/nats-server/start.ts', import.meta.url).href)}
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
