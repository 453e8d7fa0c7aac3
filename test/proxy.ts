import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type TcpProxy = {
  readonly port: number
  /** Connections break, and new ones are refused: as when the cable is out and its peer says so. */
  cut(): void
  /** Connections stay open and nothing comes through any more, in the given direction or both. */
  hold(direction?: Direction): void
  /** Everything arrives so much later, ms. */
  delay(ms: number): void
  /** As at the beginning. What was held arrives now, unless its connection was cut. */
  mend(): void
  [Symbol.asyncDispose](): Promise<void>
}
type Direction = 'up' | 'down'
type Pair = { readonly sockets: readonly [Socket, Socket]; readonly flush: () => void }

export type Tap = (bytes: Buffer) => void

/** A TCP proxy on a free port of this machine. `onUp` sees every chunk that is on its way to the server, as it is passed on. */
export const proxyTo = async (port: number, onUp: Tap = () => {}): Promise<TcpProxy> => {
  const pairs = new Set<Pair>()
  let isCut = false
  let held: readonly Direction[] = []
  let delayMs = 0

  const pass = (from: Socket, to: Socket, direction: Direction): (() => void) => {
    const waiting: Buffer[] = []
    const flush = (): void => {
      if (held.includes(direction)) return
      for (const bytes of waiting.splice(0)) {
        if (direction === 'up') onUp(bytes)
        to.write(bytes)
      }
    }
    from.on('data', (bytes: Buffer) => {
      const arrive = (): void => {
        waiting.push(bytes)
        flush()
      }
      if (delayMs > 0) setTimeout(arrive, delayMs)
      else arrive()
    })
    return flush
  }
  const server = createServer((client) => {
    if (isCut) return client.destroy()
    const upstream = connect(port, '127.0.0.1')
    const flushes = [pass(client, upstream, 'up'), pass(upstream, client, 'down')]
    const pair: Pair = { sockets: [client, upstream], flush: () => flushes.forEach((flush) => void flush()) }
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      for (const socket of pair.sockets) socket.destroy()
    }
    for (const socket of pair.sockets) {
      socket.setNoDelay()
      socket.on('error', end) // the other end's connection breaks too
      socket.on('close', end)
    }
    return undefined
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const breakAll = (): void => {
    for (const { sockets } of pairs) for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      isCut = true
      breakAll()
    },
    hold: (direction) => {
      held = direction === undefined ? ['up', 'down'] : [direction]
    },
    delay: (ms) => {
      delayMs = ms
    },
    mend: () => {
      isCut = false
      held = []
      delayMs = 0
      for (const { flush } of pairs) flush()
    },
    [Symbol.asyncDispose]: async () => {
      breakAll()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
