import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { failureOf } from '../../../src/adapters/helm/failure.ts'
import { findHelm } from '../../../src/adapters/helm/find.ts'
import { run } from '../../../src/adapters/helm/run.ts'
import { digestOf, insideOf } from '../../../src/adapters/helm/source.ts'
import { inWorkplace } from '../../../src/adapters/helm/workplace.ts'
import { until } from '../../kubernetes-client.ts'

const root = mkdtempSync(join(tmpdir(), 'qm-helm-test-'))
afterAll(() => rmSync(root, { recursive: true }))
const script = (name: string, text: string): string => {
  mkdirSync(join(root, name))
  const path = join(root, name, 'helm')
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
  return path
}
const env = { PATH: process.env['PATH'] ?? '' }
const running = (binary: string, folder: string, signal = new AbortController().signal, longestMs = 30_000) =>
  run({ binary, args: ['upgrade', 'a b', '$HOME'], env, input: 'values', folder, longestMs }, signal)
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('helm run: arguments as they are, values on stdin, what it says and how it ends', async () => {
  const binary = script('says', 'printf "%s|" "$@"; cat; echo wrong >&2; exit 3')
  expect(await running(binary, root)).toEqual({ code: 3, stdout: 'upgrade|a b|$HOME|values', stderr: 'wrong\n' })
})

test('helm run: aborted, it is told to end, and has ended when that is said', async () => {
  const binary = script('waits', 'trap "echo told > told; exit 1" TERM; echo $$ > pid; while :; do sleep 0.1; done')
  const stop = new AbortController()
  const ended = running(binary, join(root, 'waits'), stop.signal)
  await until('it runs', async () => existsSync(join(root, 'waits', 'pid')))
  stop.abort(new Error('cancelled'))
  await expect(ended).rejects.toThrow('cancelled')
  expect(readFileSync(join(root, 'waits', 'told'), 'utf8')).toBe('told\n')
})

test('helm run: longer than its time, it is a failure that says so', async () => {
  const binary = script('slow', 'exec sleep 60')
  await expect(running(binary, root, undefined, 200)).rejects.toMatchObject({
    name: 'Failed',
    message: 'helm upgrade took longer than 0.2 s',
  })
})

test('helm run: when we are killed it ends, and what nobody else may see goes', async () => {
  const binary = script('orphan', 'echo $$ > ../orphan.pid; exec sleep 60')
  const folder = join(root, 'orphan-folder')
  mkdirSync(folder)
  const code = `const { run } = await import(${JSON.stringify(join(process.cwd(), 'src/adapters/helm/run.ts'))})
    await run({ binary: ${JSON.stringify(binary)}, args: [], env: ${JSON.stringify(env)}, input: '', folder: ${JSON.stringify(folder)}, longestMs: 60000 }, new AbortController().signal)`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' })
  const file = join(root, 'orphan.pid')
  await until('it runs', async () => existsSync(file) && readFileSync(file, 'utf8') !== '')
  const pid = Number(readFileSync(file, 'utf8'))
  expect(isAlive(pid)).toBe(true)
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  await until('it has ended', async () => !isAlive(pid))
  await until('the folder is gone', async () => !existsSync(folder))
})

test('helm workplace: a kubeconfig for us alone, nothing of the user’s, and it is gone afterwards', async () => {
  const entry = { server: 'https://a', token: 'secret', ca: 'PEM' }
  const [folder, config] = await inWorkplace(entry, 'system:serviceaccount:q:charts', async (place) => {
    expect(place.env['HOME']).toBe(place.folder)
    const file = place.env['KUBECONFIG'] ?? ''
    const { mode } = await import('node:fs').then(({ statSync }) => statSync(file))
    expect(mode & 0o077).toBe(0)
    return [place.folder, JSON.parse(readFileSync(file, 'utf8'))] as const
  })
  expect(config.users[0].user).toEqual({ token: 'secret', as: 'system:serviceaccount:q:charts' })
  expect(existsSync(folder)).toBe(false)
})

test.each([
  ['Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress', 'Unavailable'],
  ['Error: kubernetes cluster unreachable: Get "https://a": dial tcp: connect: connection refused', 'Unavailable'],
  ['Error: release: not found', 'Gone'],
  ['Error: UPGRADE FAILED: context deadline exceeded', 'Failed'],
  [
    'Error: UPGRADE FAILED: conflict occurred while applying object shop/web /v1, Kind=ConfigMap: configmaps "web" is forbidden: User "nobody" cannot patch resource "configmaps"',
    'Refused',
  ],
  ['Error: path "x" not found', 'Refused'],
])('helm failure: %s', (stderr, name) => {
  expect(failureOf('upgrade', `level=WARN msg=x\n${stderr}\n`, [], true).name).toBe(name)
})

test('helm failure: what of the values it repeats is hidden', () => {
  const { message } = failureOf(
    'upgrade',
    'Error: INSTALLATION FAILED: the password hunter2 is\x1b[31m short',
    ['hunter2', 'is'],
    true,
  )
  expect(message).toBe('helm upgrade: INSTALLATION FAILED: the password ••• is [31m short')
})

test('helm source: charts are inside of the folder, also through links, and a change of any file shows', async () => {
  const folder = join(root, 'folder')
  mkdirSync(join(folder, 'web'), { recursive: true })
  writeFileSync(join(folder, 'web', 'Chart.yaml'), 'name: web')
  symlinkSync('/etc', join(folder, 'out'))
  await expect(insideOf(folder, 'out/passwd')).rejects.toThrow('leads out of the folder')
  await expect(insideOf(folder, 'missing')).rejects.toThrow('is not in the folder')
  await expect(insideOf(undefined, 'web')).rejects.toThrow('names no "folder"')
  const chart = await insideOf(folder, 'web')
  const before = await digestOf(chart)
  expect(await digestOf(chart)).toBe(before)
  writeFileSync(join(chart, 'values.yaml'), '')
  expect(await digestOf(chart)).not.toBe(before)
  symlinkSync('/etc/passwd', join(chart, 'link'))
  await expect(digestOf(chart)).rejects.toThrow('neither a file nor a directory')
})

const VERSION = (version: string): string => `[ "$1" = version ] && printf ${version}`
test('helm find: HELM_BIN, then PATH, then the cache; too old ones are passed over and said', async () => {
  const wished = script('wished', VERSION('v4.9.0'))
  const old = script('old', VERSION('v3.22.0'))
  const cache = join(root, 'cache')
  mkdirSync(cache)
  const said: string[] = []
  const search = (more: NodeJS.ProcessEnv) =>
    findHelm({ cacheFolder: cache, onProgress: (line) => said.push(line), env: { PATH: join(old, '..'), ...more } })
  expect(await search({ HELM_BIN: wished })).toMatchObject({ source: 'HELM_BIN', version: '4.9.0' })
  await expect(search({ HELM_BIN: old })).rejects.toThrow(
    /HELM_BIN: .*Helm 3.22.0, 4.3 is the oldest that works.*correct HELM_BIN or unset it/,
  )
  await expect(search({})).rejects.toThrow(/no Helm here.*\n.*3.22.0.*\n.*there is no go on PATH/)
  symlinkSync(wished, join(cache, 'helm-4.3.2'))
  expect(await search({})).toMatchObject({ source: 'cache', version: '4.9.0' })
  expect(said.join()).toContain('upgrade it')
  await expect(search({ HELM_BIN: script('other', 'echo hello') })).rejects.toThrow('is no Helm')
})
