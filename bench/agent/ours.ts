import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'nats'
import { agentEffects } from '../../src/actors/agent/effects.ts'
import { objectStore } from '../../src/adapters/jetstream/objects.ts'
import { publisher } from '../../src/adapters/jetstream/publish.ts'
import { fixedAccess } from '../../src/adapters/kubernetes/access.ts'
import { kubernetesClient } from '../../src/adapters/kubernetes/client.ts'
import { kubernetesDiscovery } from '../../src/adapters/kubernetes/discovery.ts'
import { kubernetesReads } from '../../src/adapters/kubernetes/reflector.ts'
import type { KindNews } from '../../src/events/agent.ts'
import { catalogue } from '../../src/events/kinds.ts'
import { effort } from './effort.ts'

// The agent's effects alone, over an API and a NATS: `node ours.ts API NATS`. Says what the first list took once every
// kind is stored, and then, when asked, what it holds of memory.

const [server = '', servers = ''] = process.argv.slice(2)
const nc = await connect({ servers })
const client = kubernetesClient(fixedAccess({ server, token: 'bench', isNear: true }))
const effects = agentEffects({
  kinds: catalogue(),
  discovery: kubernetesDiscovery(client),
  reads: kubernetesReads(client),
  openStore: objectStore(publisher(nc, 5_000), nc.jetstream(), await nc.jetstreamManager(), 'bench', `bench-${process.pid}`).open,
  pace: { lookMs: 120_000, soonMs: 10_000, gatherMs: 1 },
  providers: { cluster: () => Promise.reject(new Error('nobody asks')), machine: () => Promise.reject(new Error('nobody asks')) },
  settings: { metadata: { never: 'a bench' } },
})
await sleep(500)
const spent = effort()
const context = { key: 'bench', actor: { type: 'agent', id: 'bench' }, attempt: 1, signal: new AbortController().signal }
const found = await effects.discover.run({}, { ...context, report: async () => {} })
const waiting = new Set(Object.keys(found.served))
const report = async (event: { readonly type: string; readonly kinds?: unknown }): Promise<void> => {
  for (const [name, { state }] of Object.entries(event.kinds as Record<string, KindNews>)) {
    if (state === 'stalled') process.stderr.write(`bench: ${name} stalled\n`)
    if (state === 'streaming' && waiting.delete(name) && waiting.size === 0) process.send?.(spent())
  }
}
process.on('message', () => process.send?.({ rssMib: process.memoryUsage.rss() / 2 ** 20 }))
process.on('disconnect', () => process.exit())
await effects.reflect.run({ ...found, relist: false }, { ...context, report })
