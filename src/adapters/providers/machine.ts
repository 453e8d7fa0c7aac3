import type { Cloud } from '../../events/provider.ts'
import type { ProviderReads } from '../../ports.ts'
import { awsMachine } from './aws.ts'
import { azureMachine } from './azure.ts'
import { gcpMachine } from './gcp.ts'

const ask = { AWS: awsMachine, GCP: gcpMachine, Azure: azureMachine } as const

/** Where each cloud's metadata service is: a base URL without a slash at its end. */
export type Endpoints = Readonly<Record<Cloud, string>>

/** The metadata services at these addresses. */
export const metadataServices =
  (endpoints: Endpoints): ProviderReads['machine'] =>
  (cloud, signal) =>
    ask[cloud](endpoints[cloud], signal)
