import { setTimeout as sleep } from 'node:timers/promises'
import { CoreV1Api, KubeConfig, makeInformer } from '@kubernetes/client-node'
import { effort } from './effort.ts'

// The informer of @kubernetes/client-node on pods alone, which it keeps in memory: `node peer.ts API`.

const [server = ''] = process.argv.slice(2)
const config = new KubeConfig()
config.loadFromOptions({
  clusters: [{ name: 'bench', server, skipTLSVerify: true }],
  users: [{ name: 'bench', token: 'bench' }],
  contexts: [{ name: 'bench', cluster: 'bench', user: 'bench' }],
  currentContext: 'bench',
})
const pods = config.makeApiClient(CoreV1Api)
await sleep(500)
const spent = effort()
const informer = makeInformer(config, '/api/v1/pods', () => pods.listPodForAllNamespaces())
informer.on('error', (error) => process.stderr.write(`bench: the informer: ${String(error)}\n`))
await informer.start()
process.send?.(spent())
process.on('message', () => process.send?.({ rssMib: process.memoryUsage.rss() / 2 ** 20 }))
process.on('disconnect', () => process.exit())
