import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { json, status } from '../scripted-api.ts'
import { type Fault, type List, lineOf, type Watch } from './api.ts'
import type { Raw, RawEvent, RawPage } from './world.ts'

// Every way in which an answer can be wrong, by name.

const HTML = '<!doctype html><html><head><title>Proxy</title></head><body><h1>Sign in</h1></body></html>'
const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

/** In place of any answer. */
const both = (answer: (response: ServerResponse) => void): Fault => ({
  list: ({ response }) => answer(response),
  watch: ({ response }) => answer(response),
})
const withCode = (code: number, headers: Record<string, string> = {}, more: object = {}): Fault =>
  both((response) => json(response, code, status(code, `so says the test (${code})`, more), headers))
const withText = (code: number, text: string | Buffer, headers: Record<string, string> = {}): Fault =>
  both((response) => void response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(text))
const onWire = (text: string): Fault => both(({ socket }) => void socket?.end(text))

const page = (change: (page: RawPage, list: List) => unknown): Fault => ({
  list: (list) => json(list.response, 200, change(list.page, list)),
})
const pageText = (change: (text: string) => string | Buffer, headers: Record<string, string> = {}): Fault => ({
  list: ({ response, page: whole }) =>
    void response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(change(JSON.stringify(whole))),
})
/** The last item of a page is changed. */
const item = (change: (object: Raw) => unknown): Fault =>
  page((whole) => ({ ...whole, items: whole.items.map((one, at) => (at === whole.items.length - 1 ? change(one) : one)) }))
/** Every event of a watch is changed. */
const event = (change: (event: RawEvent) => unknown): Fault => eventText((one) => lineOf(change(one)))
const eventText = (change: (event: RawEvent, line: string) => string | Buffer | undefined): Fault => ({
  watch: ({ tell }) => tell((one) => change(one, lineOf(one))),
})
const object = (change: (object: Raw) => unknown): Fault => {
  const { list } = item(change)
  const { watch } = event(({ type, object: raw }) => ({ type, object: change(raw) }))
  return { ...(list && { list }), ...(watch && { watch }) }
}
const metadata = (more: object): Fault => object((raw) => ({ ...raw, metadata: { ...raw.metadata, ...more } }))

const say = (response: ServerResponse, text: string): void => {
  if (!response.writableEnded && !response.destroyed) response.write(text)
}
const slowly = async (response: ServerResponse, text: string): Promise<void> => {
  response.writeHead(200, { 'content-type': 'application/json' })
  for (let at = 0; at < text.length && !response.destroyed; at += 1) {
    response.write(text.slice(at, at + 1))
    await sleep(15)
  }
  response.end()
}
const flood = (response: ServerResponse): void => {
  const chunk = Buffer.alloc(2 ** 20, ' ')
  const more = (): void => {
    while (!response.destroyed)
      if (!response.write(chunk)) {
        response.once('drain', more)
        return
      }
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  more()
}
/** One event of a watch, then its end. */
const afterOne = (end: (watch: Watch) => void): Fault => ({
  watch: (watch) => {
    let told = 0
    watch.tell((one) => {
      told += 1
      if (told === 1) setTimeout(end, 5, watch)
      return told > 1 ? undefined : lineOf(one)
    })
  },
})
const bookmark = (kind: string, resourceVersion: string): string =>
  lineOf({ type: 'BOOKMARK', object: { kind, apiVersion: 'v1', metadata: { resourceVersion } } })

let bomb: Buffer | undefined
/** 128 MiB of blanks in 130 KB. */
const bombOf = (): Buffer => {
  bomb ??= gzipSync(Buffer.alloc(2 ** 27, ' '), { level: 9 })
  return bomb
}

/** Nothing of what these do can be noticed in the picture, or it is noticed to be no fault. */
export const harmless: Readonly<Record<string, Fault>> = {
  'unknown fields': object((raw) => ({ ...raw, later: { deep: [1] }, spec: { ...(raw['spec'] as object), laterStill: true } })),
  'an object nested 10,000 levels deep': object((raw) => ({ ...raw, later: JSON.parse(deep(10_000)) as unknown })),
  'keys that would pollute a prototype': object((raw) => ({
    ...raw,
    ...(JSON.parse('{"__proto__":{"uid":"x"},"constructor":{"prototype":{"y":1}}}') as object),
    metadata: { ...raw.metadata, ...(JSON.parse('{"__proto__":{"uid":"x"},"constructor":7}') as object) },
  })),
  'a wrong content type': {
    list: ({ response, page: whole }) => void response.writeHead(200, { 'content-type': 'text/html' }).end(JSON.stringify(whole)),
    watch: ({ response, tell }) => {
      response.writeHead(200, { 'content-type': 'image/png' })
      tell()
    },
  },
  'a clock that is a day ahead': {
    list: ({ response, page: whole }) => json(response, 200, whole, { date: new Date(Date.now() + 86_400_000).toUTCString() }),
  },
  'a duplicate event': eventText((_, line) => line + line),
  'blanks around an event': eventText((_, line) => `  ${line.trim()}\t\r\n`),
  'a page that is compressed': pageText((text) => gzipSync(text), { 'content-encoding': 'gzip' }),
  'no watch at all that lasts': {
    watch: ({ tell, response }) => {
      setTimeout(() => response.end(), 10)
      tell()
    },
  },
}

/** Of these nothing may be believed. */
export const faults: Readonly<Record<string, Fault>> = {
  '401': withCode(401),
  '403': withCode(403),
  '404': withCode(404),
  '410': withCode(410),
  '429 with Retry-After in seconds': withCode(429, { 'retry-after': '7' }),
  '429 with Retry-After as a date': withCode(429, { 'retry-after': new Date(Date.now() + 7_000).toUTCString() }),
  '429 with an absurd Retry-After': withCode(429, { 'retry-after': '99999999999' }),
  '429 that speaks of a disruption budget': withCode(429, {}, { details: { causes: [{ reason: 'DisruptionBudget' }] } }),
  '500': withCode(500),
  '503 in plain text': withText(503, 'service unavailable\n'),
  '500 with details that make no sense': withCode(500, {}, { details: 'none', code: 'x', message: { a: 1 } }),
  'a redirect': withCode(302, { location: 'http://127.0.0.1:1/elsewhere' }),
  '204': both((response) => void response.writeHead(204).end()),
  '202': withCode(202),
  "a proxy's page": withText(200, HTML, { 'content-type': 'text/html' }),
  "a proxy's page with 407": withText(407, HTML, { 'content-type': 'text/html' }),
  '200 with a Status': withText(200, JSON.stringify(status(500, 'oops'))),
  '200 with nothing': withText(200, ''),
  '200 with null': withText(200, 'null'),
  '200 with an empty object': withText(200, '{}\n'),
  '200 with a list of nothing': withText(200, '[]\n'),
  '200 with nothing but depth': withText(200, `${deep(10_000)}\n`),
  'a broken connection': both(({ socket }) => void socket?.destroy()),
  'no answer': both(() => {}),
  'a head and no more': {
    list: ({ response }) => response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders(),
    watch: ({ response }) => response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders(),
  },
  'slow bytes': {
    list: ({ response, page: whole }) => void slowly(response, JSON.stringify(whole)),
    watch: ({ response, served, from }) => void slowly(response, bookmark(served.kind.kind, from)),
  },
  'an answer without an end': both(flood),
  'no HTTP': onWire('hello\r\n\r\n'),
  'a head without an end': onWire(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`),
  'two lengths': onWire('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}'),
  'a length and chunks': onWire('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'),
  'a chunk of no length': onWire('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n'),
  'fewer bytes than were announced': onWire(
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"kind":"Po',
  ),
  'an answer that nobody asked for behind one': {
    list: ({ response, page: whole }) => {
      const body = JSON.stringify({ ...whole, items: [] })
      const answer = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
      response.socket?.write(`HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n${answer}`)
    },
  },
  'a gzip bomb': withText(200, bombOf(), { 'content-encoding': 'gzip' }),
  'a broken compression': withText(200, 'this is no gzip', { 'content-encoding': 'gzip' }),
  'a compression that we did not ask for': withText(200, 'brotli, it says', { 'content-encoding': 'br' }),
  // Lists
  'a page that is cut off': pageText((text) => text.slice(0, text.length / 2)),
  'a page with a NUL byte': pageText((text) => text.replace('"uid":"', '"uid":"\0')),
  'a page that is no UTF-8': pageText((text) =>
    Buffer.concat([Buffer.from(text.slice(0, 60)), Buffer.of(0xff), Buffer.from(text.slice(60))]),
  ),
  'a name that is no UTF-8': pageText((text) => Buffer.from(text.replaceAll('"name":"p', '"name":"\xff'), 'latin1')),
  'a page without items': page(({ items: _, ...rest }) => rest),
  'a page without a kind': page(({ kind: _, ...rest }) => rest),
  'a page without a version': page((whole) => ({ ...whole, metadata: {} })),
  'items of the wrong type': page((whole) => ({ ...whole, items: { length: 3 } })),
  'metadata of the wrong type': page((whole) => ({ ...whole, metadata: [] })),
  'a version of the wrong type': page((whole) => ({ ...whole, metadata: { resourceVersion: 7 } })),
  'a list of another kind': page((whole) => ({ ...whole, kind: 'SecretList' })),
  'a list of another version of the group': page((whole) => ({ ...whole, apiVersion: 'v9alpha1' })),
  'pages that lead to themselves': page((whole) => ({
    ...whole,
    metadata: { ...whole.metadata, continue: whole.metadata.continue ?? 'again' },
  })),
  'pages that overlap': page((whole, { world }) => ({ ...whole, items: world.objects('pods').slice(0, 3) })),
  'an object twice in a page': page((whole) => ({ ...whole, items: [...whole.items, whole.items[0]] })),
  'pages of different versions': page((whole, { request }) =>
    request.at.searchParams.has('continue') ? { ...whole, metadata: { ...whole.metadata, resourceVersion: '3' } } : whole,
  ),
  // Objects, in lists and in watches
  'an object without metadata': object(({ metadata: _, ...rest }) => rest),
  'an object that is null': object(() => null),
  'an object of another kind': object((raw) => ({ ...raw, kind: 'Secret' })),
  'an object without a uid': metadata({ uid: undefined }),
  'an object without a version': metadata({ resourceVersion: undefined }),
  'an object without a name': metadata({ name: '' }),
  'an object without its namespace': metadata({ namespace: undefined }),
  'a uid of the wrong type': metadata({ uid: 7 }),
  'a version that is a number': metadata({ resourceVersion: 7 }),
  'labels of the wrong type': metadata({ labels: ['app'] }),
  'a spec of the wrong type': object((raw) => ({ ...raw, spec: 'none' })),
  'a spec that is null': object((raw) => ({ ...raw, spec: null })),
  'containers of the wrong type': object((raw) => ({ ...raw, spec: { ...(raw['spec'] as object), containers: { main: {} } } })),
  'a name of ten thousand characters': metadata({ name: 'n'.repeat(10_000) }),
  // Watches
  'an event that is cut off': eventText((_, line) => `${line.slice(0, line.length / 2)}\n`),
  'an event with a NUL byte': eventText((_, line) => line.replace('"uid":"', '"uid":"\0')),
  'an event that is no UTF-8': eventText((_, line) => Buffer.from(line.replace('"uid":"', '"uid":"\xff'), 'latin1')),
  'an event without a type': event(({ object: raw }) => ({ object: raw })),
  'an event of an unknown type': event(({ object: raw }) => ({ type: 'RENAMED', object: raw })),
  'an event whose type is a number': event(({ object: raw }) => ({ type: 7, object: raw })),
  'an event without an object': event(({ type }) => ({ type })),
  'an event of another kind': event(({ type, object: raw }) => ({ type, object: { ...raw, kind: 'Node' } })),
  'an ERROR without a Status': event(() => ({ type: 'ERROR', object: 'none' })),
  'an ERROR nested 10,000 levels deep': eventText(() => `{"type":"ERROR","object":${deep(10_000)}}\n`),
  'an ERROR that speaks of a disruption budget': event(() => ({
    type: 'ERROR',
    object: status(429, 'wait', { details: { causes: [{ reason: 'DisruptionBudget' }] } }),
  })),
  'an ERROR with 410': event(() => ({ type: 'ERROR', object: status(410, 'too old') })),
  'an ERROR with 403': event(() => ({ type: 'ERROR', object: status(403, 'no') })),
  'a watch that says 410 after each event': afterOne(({ response }) =>
    response.end(lineOf({ type: 'ERROR', object: status(410, 'old') })),
  ),
  'a watch that breaks after each event': afterOne(({ response }) => response.destroy()),
  'a watch that ends in order at once': { watch: ({ response }) => void response.writeHead(200).end() },
  'a watch that is compressed all the same': {
    watch: ({ response }) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(bookmark('Pod', '1'))),
  },
  'a line without an end': { watch: ({ response }) => flood(response) },
  'a bookmark of another kind': {
    watch: ({ response, tell }) => {
      tell()
      say(response, bookmark('Node', '99999'))
    },
  },
  'a bookmark that goes back': {
    watch: ({ response, served, tell }) => {
      tell()
      say(response, bookmark(served.kind.kind, '1'))
    },
  },
  'events in the wrong order': {
    watch: ({ tell, response }) => {
      const held: string[] = []
      tell((one) => void held.unshift(lineOf(one)))
      setTimeout(() => say(response, held.join('')), 20)
    },
  },
}
