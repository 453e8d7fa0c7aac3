import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findBinaries } from './binaries.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qm-binaries-'))
  for (const stage of ['pod/fast', 'node/fast', 'node/heartbeat-with-lease'])
    mkdirSync(join(folder, 'kwok', 'kustomize', 'stage', stage), { recursive: true })
  writeFileSync(join(folder, 'kwok/kustomize/stage/pod/fast/pod-ready.yaml'), 'kind: Stage')
  executable('go', GO)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

// Stands for go: writes down what it is asked to build, and builds it.
const GO = `#!/bin/sh
here=\${0%/go}
if [ "$1" = mod ]; then printf '{"Dir": "%s"}' "$here/kwok"; exit 0; fi
while [ $# -gt 1 ]; do [ "$1" = -o ] && output=$2; shift; done
echo "$1" >> "$here/built"
sleep 0.05
echo "$1" > "$output" && chmod +x "$output"
`
const executable = (name: string, text: string): void => {
  writeFileSync(join(folder, name), text)
  chmodSync(join(folder, name), 0o755)
}
const built = (): readonly string[] => {
  const file = join(folder, 'built')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
}
const find = (more: NodeJS.ProcessEnv = {}) =>
  findBinaries({ env: { PATH: `${folder}:/usr/bin:/bin`, ...more }, cacheFolder: join(folder, 'cache') })

test('binaries: two that need them at once build each once, and the next finds them', async () => {
  const [one, other] = await Promise.all([find(), find()])
  expect(one).toEqual(other)
  expect(built()).toEqual([
    'go.etcd.io/etcd/server/v3',
    'k8s.io/kubernetes/cmd/kube-apiserver',
    'k8s.io/kubernetes/cmd/kube-controller-manager',
    'k8s.io/kubernetes/cmd/kube-scheduler',
    'k8s.io/kubernetes/cmd/kubectl',
    'sigs.k8s.io/kwok/cmd/kwok',
  ])
  expect(readFileSync(one.programs.etcd, 'utf8')).toContain('etcd')
  expect(readFileSync(join(one.stages, 'pod-ready.yaml'), 'utf8')).toBe('kind: Stage')
  rmSync(join(folder, 'go'))
  expect(await find()).toEqual(one)
})

test('binaries: those in KUBEBUILDER_ASSETS are used, and only the others are built', async () => {
  const assets = join(folder, 'assets')
  mkdirSync(assets)
  for (const name of ['etcd', 'kube-apiserver', 'kubectl']) executable(`assets/${name}`, '')
  const { programs } = await find({ KUBEBUILDER_ASSETS: assets })
  expect(programs['kube-apiserver']).toBe(join(assets, 'kube-apiserver'))
  expect(built().map((each) => each.replace(/.*\//, ''))).toEqual(['kube-controller-manager', 'kube-scheduler', 'kwok'])
})

test('binaries: a KUBEBUILDER_ASSETS that is not there is not passed over', async () => {
  await expect(find({ KUBEBUILDER_ASSETS: join(folder, 'nowhere') })).rejects.toThrow(
    /^KUBEBUILDER_ASSETS: .*nowhere can't be read/,
  )
})

test('binaries: without Go, one sentence says what to install', async () => {
  rmSync(join(folder, 'go'))
  await expect(find({ PATH: folder })).rejects.toThrow(/^there is no go on PATH.*: install Go 1\.26 or newer/)
})

test('binaries: a build that fails ends with its last words, and leaves nothing that looks built', async () => {
  executable('go', '#!/bin/sh\necho "no space left" >&2\nexit 1\n')
  await expect(find()).rejects.toThrow('go build go.etcd.io/etcd/server/v3 ends with 1: no space left')
  executable('go', GO)
  await find()
  expect(built()).toHaveLength(6)
})
