import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { binaryCache } from '../../../src/adapters/binaries/cache.ts'
import { OLDEST_SERVER } from '../../../src/adapters/jetstream/streams.ts'
import { findNatsServer, NoNatsServer } from '../../../src/adapters/nats-server/find.ts'
import { platformOf } from '../../../src/adapters/nats-server/release.ts'
import { OLDEST_VERSION, olderThan, PINNED_VERSION } from '../../../src/adapters/nats-server/version.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'qm-nats-find-')))
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

test('nats-server: XDG_CACHE_HOME moves the cache', () => {
  expect(binaryCache({ XDG_CACHE_HOME: '/elsewhere' })).toBe('/elsewhere/quartermaster/bin')
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

test('nats-server: a version that is asked for is the only one taken, whatever else is here', async () => {
  fake(join(folder, 'bin', 'nats-server'), PINNED_VERSION)
  fake(cached(), PINNED_VERSION)
  const oldest = fake(join(cacheFolder(), `nats-server-${OLDEST_VERSION}`), OLDEST_VERSION)
  const found = findNatsServer({ env: path('bin'), cacheFolder: cacheFolder(), version: OLDEST_VERSION })
  expect(await found).toEqual({ path: oldest, version: OLDEST_VERSION, source: 'cache' })
})

test('nats-server: without any, one clear sentence says what to install, and what was tried', async () => {
  script(join(folder, 'bin', 'go'), 'echo "no network" >&2; exit 1')
  const { found } = find(path('bin'))
  await expect(found).rejects.toBeInstanceOf(NoNatsServer)
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
