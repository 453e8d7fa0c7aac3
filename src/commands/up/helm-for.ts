import { findHelm } from '../../adapters/helm/find.ts'
import type { Entry } from '../../adapters/helm/workplace.ts'
import { helm } from '../../adapters/helm.ts'
import type { Access } from '../../adapters/kubernetes/access.ts'
import { ChartPolicy } from '../../events/charts.ts'
import { type Helm, Unavailable } from '../../ports.ts'
import type { Log } from '../../runtime/ground.ts'

/** How Helm reaches the cluster that we reach. Its kubeconfig takes no headers but a bearer token. */
const entryTo =
  ({ server, credentials }: Access) =>
  async (): Promise<Entry> => {
    const { ca, cert, key, passphrase, servername, rejectUnauthorized, headers } = await credentials()
    if (passphrase !== undefined) throw new Unavailable('the key for the cluster has a passphrase, which Helm does not ask for')
    const token = /^Bearer (.+)$/i.exec(headers['authorization'] ?? '')?.[1]
    return {
      server,
      ca: ca?.toString(),
      cert: cert?.toString(),
      key: key?.toString(),
      token,
      serverName: servername,
      insecure: rejectUnauthorized === false ? true : undefined,
    }
  }

/** Helm for the cluster; its binary is found, or built, when a chart is first ordered. */
export const helmFor = (access: Access, policy: ChartPolicy | undefined, log: Pick<Log, 'info'>): Helm => {
  let finding: Promise<string> | undefined
  const find = async (): Promise<string> => {
    const found = await findHelm({ onProgress: (message) => log.info({}, message) })
    log.info({ path: found.path, version: found.version, source: found.source }, 'Helm is found')
    return found.path
  }
  // What was not found may be there the next time.
  const binary = (): Promise<string> => {
    finding ??= find().catch((error: unknown) => {
      finding = undefined
      throw error
    })
    return finding
  }
  return helm({ binary, entry: entryTo(access), policy: policy ?? ChartPolicy.parse({}) })
}
