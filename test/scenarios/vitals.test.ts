import { expect, test, vi } from 'vitest'
import { families, sampled } from '../scrape.ts'
import { startUp, withHome } from '../up.ts'

/** What `up` says it listens on. */
const urlIn = (output: string): string => {
  const [, url] = /^Metrics +(http:\S+)\/metrics/m.exec(output) ?? []
  if (url === undefined) throw new Error(`no address is said:\n${output}`)
  return url
}
const read = async (url: string) => {
  const page = await fetch(url)
  return { status: page.status, body: await page.text() }
}

test('vitals: up with --metrics says that it is ready and alive, and counts what it did', { timeout: 120_000 }, () =>
  withHome(async (home) => {
    const up = await startUp(home, '--nodes', '40', '--metrics', '127.0.0.1:0')
    try {
      await up.until('the first plan', ({ fact }) => fact === 'evictor.PlanMade')
      const url = await vi.waitFor(() => urlIn(up.output()))
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
      const ready = await vi.waitFor(async () => {
        const page = await read(`${url}/readyz`)
        expect(page.status, page.body).toBe(200)
        return page
      })
      expect(ready.body).toContain('[+]agent ok\n')
      expect(await read(`${url}/healthz`)).toMatchObject({ status: 200, body: expect.stringContaining('healthz check passed') })
      await up.call('Hold', { reason: 'a test' })

      const scraped = families((await read(`${url}/metrics`)).body)
      const value = (name: string, labels: Record<string, string> = {}): number =>
        sampled(scraped, `quartermaster_${name}`, labels) ?? Number.NaN
      const { nodes, pods } = await up.status()
      expect([value('agent_objects', { kind: 'nodes' }), value('agent_objects', { kind: 'pods' })]).toEqual([nodes, pods])
      expect(value('commands_total', { actor: 'cluster', outcome: 'accepted' })).toBeGreaterThanOrEqual(2)
      expect(value('commits_total', { actor: 'evictor' })).toBeGreaterThanOrEqual(2)
      expect(value('effect_attempts_total', { actor: 'evictor', effect: 'plan' })).toBeGreaterThanOrEqual(1)
      expect(value('kubernetes_request_duration_seconds_count', { verb: 'list', code: '200' })).toBeGreaterThanOrEqual(6)
      expect(value('plan_bound_gap_ratio')).toBeGreaterThanOrEqual(0)
      expect(value('memory_pressure')).toBe(0)
    } finally {
      await up.stop()
    }
  }),
)
