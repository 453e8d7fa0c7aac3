import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fromKubeconfig, inCluster } from '../../../src/adapters/kubernetes/access.ts'

const temporary = async () => {
  const path = await mkdtemp(join(tmpdir(), 'qm-access-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

const kubeconfig = (user: object) =>
  JSON.stringify({
    'current-context': 'here',
    clusters: [
      {
        name: 'c',
        cluster: { server: 'https://api.example:6443/', 'certificate-authority-data': Buffer.from('CA').toString('base64') },
      },
    ],
    users: [{ name: 'u', user }],
    contexts: [
      { name: 'here', context: { cluster: 'c', user: 'u' } },
      { name: 'broken', context: { cluster: 'none', user: 'u' } },
    ],
  })

test('access: reads server, CA and token from a kubeconfig', async () => {
  await using folder = await temporary()
  const file = join(folder.path, 'config')
  await writeFile(file, kubeconfig({ token: 'secret' }))
  const access = await fromKubeconfig(file)
  expect(access.server).toBe('https://api.example:6443')
  const credentials = await access.credentials()
  expect(credentials.ca?.toString()).toBe('CA')
  expect(credentials.headers).toEqual({ Authorization: 'Bearer secret' })
})

test('access: asks an exec plugin for the token', async () => {
  await using folder = await temporary()
  const file = join(folder.path, 'config')
  const answer = JSON.stringify({
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    status: { token: 'from-plugin' },
  })
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'echo', args: [answer], interactiveMode: 'Never' }
  await writeFile(file, kubeconfig({ exec }))
  const access = await fromKubeconfig(file)
  expect((await access.credentials()).headers).toEqual({ Authorization: 'Bearer from-plugin' })
})

test('access: names the file, and the contexts there are, when it is of no use', async () => {
  await using folder = await temporary()
  const file = join(folder.path, 'config')
  await expect(fromKubeconfig(file)).rejects.toThrow(file)
  await writeFile(file, kubeconfig({}))
  await expect(fromKubeconfig(file, 'broken')).rejects.toThrow('it knows here, broken')
})

test('access: says which context is used, and which there are; another is taken by its name', async () => {
  await using folder = await temporary()
  const file = join(folder.path, 'config')
  const two = JSON.parse(kubeconfig({ token: 'secret' }))
  two.contexts[1].context.cluster = 'c'
  await writeFile(file, JSON.stringify(two))
  expect(await fromKubeconfig(file)).toMatchObject({ context: 'here', contexts: ['here', 'broken'] })
  expect(await fromKubeconfig(file, 'broken')).toMatchObject({ context: 'broken' })
})

test('access: a context that there is not, or none at all, is said with those there are', async () => {
  await using folder = await temporary()
  const file = join(folder.path, 'config')
  await writeFile(file, kubeconfig({}))
  await expect(fromKubeconfig(file, 'there')).rejects.toThrow(`${file} has no context "there"; it knows here, broken`)
  await writeFile(file, JSON.stringify({ ...JSON.parse(kubeconfig({})), 'current-context': '' }))
  await expect(fromKubeconfig(file)).rejects.toThrow('has no current context: choose one with --context; it knows here, broken')
  await writeFile(file, '{}')
  await expect(fromKubeconfig(file)).rejects.toThrow('it has none')
})

test('access: over plain HTTP no credentials are sent, as kubectl does it', async () => {
  await using folder = await temporary()
  const file = join(folder.path, 'config')
  const plain = JSON.parse(kubeconfig({ token: 'secret' }))
  plain.clusters[0].cluster = { server: 'http://127.0.0.1:8001' }
  await writeFile(file, JSON.stringify(plain))
  const access = await fromKubeconfig(file)
  expect(access.server).toBe('http://127.0.0.1:8001')
  expect(await access.credentials()).toEqual({ headers: {} })
})

test('access: reads the service account again whenever it is asked', async () => {
  await using folder = await temporary()
  await writeFile(join(folder.path, 'ca.crt'), 'CA')
  await writeFile(join(folder.path, 'token'), 'first\n')
  const access = inCluster({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }, folder.path)
  expect(access).toMatchObject({ server: 'https://[fd00::1]:443', isNear: true })
  expect((await access.credentials()).headers).toEqual({ authorization: 'Bearer first' })
  await writeFile(join(folder.path, 'token'), 'second')
  expect((await access.credentials()).headers).toEqual({ authorization: 'Bearer second' })
  expect(() => inCluster({}, folder.path)).toThrow('give a kubeconfig')
})
