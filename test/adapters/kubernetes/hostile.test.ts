import type { ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { fixedAccess } from '../../../src/adapters/kubernetes/access.ts'
import { kubernetesClient } from '../../../src/adapters/kubernetes/client.ts'
import { kubernetesReads } from '../../../src/adapters/kubernetes/reflector.ts'
import { random } from '../../simulation/random.ts'
import { type Fault, hostileAnswers } from './hostile/api.ts'
import { faults, harmless } from './hostile/faults.ts'
import { pictureOf } from './hostile/picture.ts'
import { createWorld } from './hostile/world.ts'
import { scriptedApi } from './scripted-api.ts'

// What an API server may do wrong, one by one: nothing wrong is ever told, and when it is over the picture is the truth.

/** A reflection of seven pods in pages of three. Its pauses take no time; how long they would be is added up. */
const reflecting = async (faultFor: (on: 'list' | 'watch' | 'other') => Fault | undefined, longestMs = 200) => {
  const world = createWorld(random(1), { pods: 7 })
  const [pods] = world.served
  if (!pods) throw new Error('a world without pods')
  const tries = { requests: 0, virtualMs: 0 }
  const watches = new Set<ServerResponse>()
  const api = await scriptedApi((request, response) => {
    const { searchParams } = request.at
    const isWatch = searchParams.get('watch') === 'true'
    if (isWatch) watches.add(response.on('close', () => watches.delete(response)))
    if (isWatch || (searchParams.get('limit') === '3' && !searchParams.has('continue'))) tries.requests += 1
    hostileAnswers(world, faultFor)(request, response)
  })
  const client = kubernetesClient(fixedAccess({ server: api.server, token: 'secret' }), undefined, longestMs)
  const picture = pictureOf(world, pods)
  const end = new AbortController()
  const pause = async (ms: number): Promise<void> => {
    tries.virtualMs += ms
    await turn()
  }
  const reads = kubernetesReads(client, { fresh: { quietMs: 50, idleMs: 400 }, pause }, () => 3)
  const reflection = reads.reflect(pods, undefined, picture.listener, end.signal)
  return {
    world,
    picture,
    tries,
    endWatches: () => {
      for (const response of watches) response.end()
    },
    [Symbol.asyncDispose]: async () => {
      end.abort()
      await reflection
      await client.close()
      await api[Symbol.asyncDispose]()
    },
  }
}
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 25_000, interval: 5 })

test.each(Object.entries({ ...harmless, ...faults }))(
  'hostile API: %s, twice in lists and in watches, and the picture is the truth',
  async (_, fault) => {
    const left = { list: fault.list ? 2 : 0, watch: fault.watch ? 2 : 0, other: 0 }
    await using reflected = await reflecting((on) => {
      if (left[on] === 0) return undefined
      left[on] -= 1
      reflected.world.change('pods')
      return fault
    })
    const { world, picture, endWatches } = reflected
    await eventually(() => {
      if (left.list > 0) world.compact() // else nothing is listed again
      endWatches()
      world.change('pods')
      expect(left).toEqual({ list: 0, watch: 0, other: 0 })
    })
    for (let count = 0; count < 5; count++) world.change('pods')
    await eventually(() => expect(picture.held()).toEqual(world.truth('pods')))
    await eventually(() => expect(picture.state.state).toBe('streaming'))
    expect(picture.lies).toEqual([])
    expect(picture.leftOut()).toBe(0)
  },
)

/** So many lists and watches are waited for; with 20 of them a server would be asked for 8 a second if nothing grew. */
const TRIES = 20
const LEAST_MS = 10_000

test.each(Object.entries(faults))(
  'hostile API: %s, from now on: nothing wrong is told, nothing old looks new, and the server is left in peace',
  async (_, fault) => {
    let isOver = false
    await using reflected = await reflecting((on) => (isOver && on !== 'other' ? fault : undefined), 40)
    const { world, picture, tries, endWatches } = reflected
    await eventually(() => expect(picture.held()).toEqual(world.truth('pods')))
    isOver = true
    Object.assign(tries, { requests: 0, virtualMs: 0 })
    await eventually(() => {
      endWatches()
      world.change('pods')
      world.compact() // so that a list comes before the next watch
      expect(tries.requests).toBeGreaterThan(TRIES)
    })
    expect(tries.virtualMs * (TRIES / tries.requests)).toBeGreaterThan(LEAST_MS)
    expect(picture.lies).toEqual([])
    if (fault.list) await eventually(() => expect(picture.state.state !== 'streaming' || picture.leftOut() > 0).toBe(true))
  },
)
