import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { metadataServices } from '../../../src/adapters/providers/machine.ts'

// The answers are written after the clouds' documentation (the URLs are beside each); none was recorded from a machine.

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A metadata service of this machine that answers as the test says; one for all clouds. */
export const metadataService = async (answer: Answer) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    base,
    asked,
    machine: metadataServices({ AWS: base, GCP: base, Azure: base }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Answers with the text under the request's path, 404 without one. */
export const answering =
  (texts: Readonly<Record<string, string>>, headers: Record<string, string> = {}): Answer =>
  ({ url = '' }, response) => {
    const text = texts[url]
    response.writeHead(text === undefined ? 404 : 200, { 'content-type': 'text/plain', ...headers })
    response.end(text ?? '<html>not found</html>')
  }

// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/retrieve-iid.html
export const ec2 = {
  '/latest/dynamic/instance-identity/document': JSON.stringify({
    devpayProductCodes: null,
    marketplaceProductCodes: ['1abc2defghijklm3nopqrs4tu'],
    availabilityZone: 'us-west-2b',
    privateIp: '10.158.112.84',
    version: '2017-09-30',
    instanceId: 'i-1234567890abcdef0',
    billingProducts: null,
    instanceType: 't2.micro',
    accountId: '123456789012',
    imageId: 'ami-5fb8c835',
    pendingTime: '2016-11-19T16:32:11Z',
    architecture: 'x86_64',
    kernelId: null,
    ramdiskId: null,
    region: 'us-west-2',
  }),
}
const TOKEN = 'AQAEAE8-9r5gVvvLqRhWkcYqwMCxnJQ=='

/** EC2's service, version 2: nothing without the token. */
export const ec2Service =
  (texts: Readonly<Record<string, string>>): Answer =>
  (request, response) => {
    if (request.method === 'PUT' && request.url === '/latest/api/token') {
      response.writeHead(/^\d+$/.test(String(request.headers['x-aws-ec2-metadata-token-ttl-seconds'])) ? 200 : 400)
      response.end(TOKEN)
    } else if (request.headers['x-aws-ec2-metadata-token'] !== TOKEN) {
      response.writeHead(401)
      response.end()
    } else answering(texts)(request, response)
  }

// https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys and GKE's cluster-name, cluster-location
export const gce = {
  '/computeMetadata/v1/project/project-id': 'my-project',
  '/computeMetadata/v1/instance/zone': 'projects/739419398126/zones/us-central1-c',
  '/computeMetadata/v1/instance/name': 'gke-shop-default-pool-b0f1a2c3-x7k2',
  '/computeMetadata/v1/instance/id': '3941714257799828844',
  '/computeMetadata/v1/instance/attributes/cluster-name': 'shop',
  '/computeMetadata/v1/instance/attributes/cluster-location': 'us-central1',
}
export const google = { 'metadata-flavor': 'Google' }

// https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service, for a machine of an AKS scale set
export const azureGroup =
  '/subscriptions/8d10da13-8125-4ba9-a717-bf7490507b3d/resourceGroups/MC_shop-rg_shop_westeurope/providers/Microsoft.Compute'
export const azure = {
  '/metadata/instance/compute?api-version=2021-05-01&format=json': JSON.stringify({
    azEnvironment: 'AzurePublicCloud',
    location: 'westeurope',
    name: 'aks-nodepool1-12628255-vmss_2',
    osType: 'Linux',
    provider: 'Microsoft.Compute',
    resourceGroupName: 'MC_shop-rg_shop_westeurope',
    resourceId: `${azureGroup}/virtualMachineScaleSets/aks-nodepool1-12628255-vmss/virtualMachines/2`,
    subscriptionId: '8d10da13-8125-4ba9-a717-bf7490507b3d',
    tags: 'aks-managed-cluster-name:shop;aks-managed-cluster-rg:shop-rg',
    tagsList: [
      { name: 'aks-managed-cluster-name', value: 'shop' },
      { name: 'aks-managed-cluster-rg', value: 'shop-rg' },
    ],
    vmScaleSetName: 'aks-nodepool1-12628255-vmss',
    zone: '1',
  }),
}
