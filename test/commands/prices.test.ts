import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { askedPrices, readPrices } from '../../src/commands/prices.ts'
import { Prices } from '../../src/events/plan.ts'

test('prices: what OpenCost says stands for nodes without a price in the file', async () => {
  const asset = (name: string) => ({ type: 'Node', properties: { name }, end: '2026-11-30T00:00:00Z', minutes: 60, totalCost: 3 })
  const server = createServer((_, response) =>
    response.end(JSON.stringify({ code: 200, data: { a: asset('a'), b: asset('b') } })),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const openCost = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(readPrices({ prices: `opencost=${openCost}` }, 'plan')).toMatchObject({ openCost, nodes: {} })
    expect((await askedPrices(Prices.parse({ openCost, nodes: { a: 1 } }))).nodes).toEqual({ a: 1, b: 3 })
  } finally {
    server.close()
  }
  expect((await askedPrices(Prices.parse({}))).nodes).toEqual({})
})

test('prices: an address that is none, or where nobody answers, is said', async () => {
  await expect(askedPrices(Prices.parse({ openCost: 'here' }))).rejects.toThrow('no prices from OpenCost: "here" is no address')
  await expect(askedPrices(Prices.parse({ openCost: 'http://127.0.0.1:1' }))).rejects.toThrow('does not answer')
})
