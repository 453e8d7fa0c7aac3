import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nkeyAuthenticator, nkeys } from 'nats'
import { expect, onTestFinished, test } from 'vitest'
import { reach } from '../../src/adapters/jetstream/reach.ts'
import { freePort } from '../../src/adapters/nats-server/ready.ts'
import { startNatsServer } from '../../src/adapters/nats-server/start.ts'
import { natsBinary, natsForTest } from '../nats.ts'

/** A nats-server with these arguments, ended after the test. */
const served = async (...args: readonly string[]): Promise<string> => {
  const port = await freePort()
  const server = spawn(natsBinary(), ['--addr', '127.0.0.1', '--port', String(port), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(server, 'exit')
  onTestFinished(async () => {
    server.kill()
    await exited
  })
  for await (const chunk of server.stderr) if (String(chunk).includes('Server is ready')) break
  return `nats://127.0.0.1:${port}`
}

test('NATS down at start: the error names the server and the remedy', async () => {
  const servers = `nats://127.0.0.1:${await freePort()}`
  await expect(reach({ servers })).rejects.toThrow(
    `no NATS answers at ${servers} (CONNECTION_REFUSED): start it, or correct NATS_URL`,
  )
})

test('a NATS without JetStream is said to have none', async () => {
  const servers = await served()
  await expect(reach({ servers })).rejects.toThrow(`NATS at ${servers} has no JetStream: start it with --jetstream`)
})

test('a user that NATS does not know is said to be refused', async () => {
  const storeFolder = await mkdtemp(join(tmpdir(), 'qm-nats-'))
  onTestFinished(() => rm(storeFolder, { recursive: true, force: true }))
  await using server = await startNatsServer({ binary: natsBinary(), storeFolder, name: 'guarded' })
  const authenticator = nkeyAuthenticator(nkeys.createUser().getSeed())
  await expect(reach({ servers: server.url, authenticator })).rejects.toThrow(
    `NATS at ${server.url} refuses this user: set NATS_NKEY to the file of a seed that it knows`,
  )
})

test('a NATS with JetStream is reached', async () => {
  await using nats = await natsForTest()
  const nc = await reach({ servers: nats.url })
  expect(nc.info?.jetstream).toBe(true)
  await nc.close()
})
