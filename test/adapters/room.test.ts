import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'nats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { roomIn, storeBytesOf } from '../../src/adapters/jetstream/room.ts'
import { ensureStreams } from '../../src/adapters/jetstream/streams.ts'
import { freePort } from '../../src/adapters/nats-server/ready.ts'
import { openStorage } from '../../src/commands/up/storage.ts'
import { natsBinary } from '../nats.ts'

const GIB = 2 ** 30
const small = { user: 'small', pass: 'small' }
const large = { user: 'large', pass: 'large' }
const folder = mkdtempSync(join(tmpdir(), 'qm-room-'))
let server: ReturnType<typeof spawn>
let servers: string

beforeAll(async () => {
  const port = await freePort()
  servers = `nats://127.0.0.1:${port}`
  const account = (user: object, max_store: number) => ({ users: [user], jetstream: { max_store, max_mem: 0 } })
  writeFileSync(
    join(folder, 'nats.conf'),
    JSON.stringify({
      host: '127.0.0.1',
      port,
      jetstream: { store_dir: folder, max_file_store: 40 * GIB },
      accounts: { SMALL: account(small, GIB / 64), LARGE: account(large, 20 * GIB) },
    }),
  )
  server = spawn(natsBinary(), ['-c', join(folder, 'nats.conf')], { stdio: 'ignore' })
})
afterAll(async () => {
  const exited = once(server, 'exit')
  server.kill('SIGKILL')
  await exited
  rmSync(folder, { recursive: true, force: true })
})

const connected = (user: object) => connect({ servers, ...user, waitOnFirstConnect: true, reconnectTimeWait: 50 })
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

test('room: what others may fill leaves the journal its part of what the account may store', async () => {
  const nc = await connected(large)
  const { jsm } = await openStorage(nc, 'demo', true, silent)
  const bytesOf = async (name: string) => (await jsm.streams.info(name)).config.max_bytes
  const { events, commands, snapshots, archive } = roomIn(20 * GIB)
  expect(await Promise.all(['EVENTS', 'COMMANDS', 'KV_snapshots', 'OBJ_archive', 'JOURNAL'].map(bytesOf))).toEqual([
    events,
    commands,
    snapshots,
    archive,
    -1,
  ])
  await nc.close()
})

test('room: an account that may store too little is said, with the stream and the remedy', async () => {
  const nc = await connected(small)
  expect(await storeBytesOf(await nc.jetstreamManager())).toBe(GIB / 64)
  await expect(ensureStreams(nc, 'demo')).rejects.toThrow(
    /^EVENTS: there is no room for it: make room on the disk, or raise max_file_store and the limits of the stream or account/,
  )
  await nc.close()
})
