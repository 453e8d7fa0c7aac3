import { request } from 'node:http'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { listenAddress } from '../../../src/adapters/http/address.ts'
import { healthPage } from '../../../src/adapters/http/health.ts'
import { type Pages, startListener } from '../../../src/adapters/http/listener.ts'

const here = { host: '127.0.0.1', port: 0 }
const pages: Pages = {
  '/ok': () => ({ status: 200, contentType: 'text/plain', body: 'well\n' }),
  '/broken': () => Promise.reject(new Error('the secret reason')),
}
const listening = async (errors: string[] = []) => {
  const listener = await startListener(here, pages, (path, error) => errors.push(`${path} ${String(error)}`))
  return { ...listener, [Symbol.asyncDispose]: listener.stop }
}
const statusOf = (url: string, method: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request(url, { method }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end()
  })

test('listener: answers what it has to whoever reads, and nothing else', async () => {
  await using listener = await listening()
  const page = await fetch(`${listener.url}/ok?verbose`)
  expect([page.status, await page.text()]).toEqual([200, 'well\n'])
  const head = await fetch(`${listener.url}/ok`, { method: 'HEAD' })
  expect([head.headers.get('content-length'), await head.text()]).toEqual(['5', ''])
  const others = [`/`, `/OK`, `/ok/`, `/constructor`, `/__proto__`].map((path) => statusOf(`${listener.url}${path}`, 'GET'))
  expect(await Promise.all(others)).toEqual(others.map(() => 404))
  expect(await Promise.all(['POST', 'PUT', 'DELETE'].map((method) => statusOf(`${listener.url}/ok`, method)))).toEqual([
    405, 405, 405,
  ])
})

test('listener: a page that fails is said to whoever runs it, not to whoever asks', async () => {
  const errors: string[] = []
  await using listener = await listening(errors)
  const page = await fetch(`${listener.url}/broken`)
  expect([page.status, await page.text(), errors]).toEqual([
    500,
    'failed; the log says why\n',
    ['/broken Error: the secret reason'],
  ])
})

test('listener: what is no HTTP is refused, and the next one is answered', async () => {
  await using listener = await listening()
  const socket = connect(Number(new URL(listener.url).port), '127.0.0.1')
  socket.end('rubbish\r\n\r\n')
  const said = await new Response(socket as unknown as ReadableStream).text()
  expect(said).toMatch(/^HTTP\/1.1 400/)
  expect((await fetch(`${listener.url}/ok`)).status).toBe(200)
})

test('listener: stops at once, also while somebody holds a connection', async () => {
  const listener = await listening()
  const socket = connect(Number(new URL(listener.url).port), '127.0.0.1')
  socket.write('GET /ok HTTP/1.1\r\n') // and never the rest
  await new Promise((resolve) => socket.once('connect', resolve))
  const ended = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => {}) // it may be a reset
  await listener.stop()
  await ended
  await expect(fetch(`${listener.url}/ok`)).rejects.toThrow()
})

test('listener: a taken port is named, with the remedy', async () => {
  await using listener = await listening()
  const taken = { host: '127.0.0.1', port: Number(new URL(listener.url).port) }
  await expect(startListener(taken, pages, () => {})).rejects.toThrow(
    `--metrics 127.0.0.1:${taken.port}: another program listens there already; give another port`,
  )
})

test.each([
  ['9464', { host: '127.0.0.1', port: 9464 }],
  [':9464', { host: '127.0.0.1', port: 9464 }],
  ['0', { host: '127.0.0.1', port: 0 }],
  ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
  ['[::1]:9464', { host: '::1', port: 9464 }],
  ['localhost:1', { host: 'localhost', port: 1 }],
])('address: %s', (text, address) => {
  expect(listenAddress(text)).toEqual(address)
})

test.each(['', 'localhost', '::1', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:-1', 'a b:1', 'http://a:1', '[::1]', '1e3'])(
  'address: "%s" is none',
  (text) => {
    expect(() => listenAddress(text)).toThrow('is no address to listen on: use HOST:PORT')
  },
)

test('health: a page says what is well and what is not, a line each, without control characters', () => {
  expect(healthPage('readyz', [{ name: 'loop' }, { name: 'agent', note: 'none lives here' }])).toMatchObject({
    status: 200,
    body: '[+]loop ok\n[+]agent ok: none lives here\nreadyz check passed\n',
  })
  expect(healthPage('readyz', [{ name: 'loop' }, { name: 'agent', trouble: 'pods stalled (\u001b[31m\nno)' }])).toMatchObject({
    status: 503,
    body: '[+]loop ok\n[-]agent failed: pods stalled ( [31m no)\nreadyz check failed\n',
  })
})
