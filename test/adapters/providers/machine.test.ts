import { expect, test } from 'vitest'
import { Cloud } from '../../../src/events/provider.ts'
import { answering, azure, azureGroup, ec2, ec2Service, gce, google, metadataService } from './metadata-service.ts'

const CLUSTER_TAG = '/latest/meta-data/tags/instance/aws:eks:cluster-name'
const clouds = Cloud.options

test('metadata: EC2 is asked for a token first, and tells account, region and machine', async () => {
  await using service = await metadataService(ec2Service(ec2))
  expect(await service.machine('AWS')).toEqual({
    cloud: 'AWS',
    providerID: 'aws:///us-west-2b/i-1234567890abcdef0',
    region: 'us-west-2',
    account: '123456789012',
    clusterName: undefined,
  })
  expect(service.asked[0]).toBe('PUT /latest/api/token')
})

test('metadata: EC2 tells the cluster’s name where the instance shows its tags', async () => {
  await using service = await metadataService(ec2Service({ ...ec2, [CLUSTER_TAG]: 'shop' }))
  expect(await service.machine('AWS')).toMatchObject({ clusterName: 'shop' })
})

test('metadata: Google tells project, zone, machine, and of a node of GKE the cluster', async () => {
  await using service = await metadataService(answering(gce, google))
  expect(await service.machine('GCP')).toEqual({
    cloud: 'GCP',
    providerID: 'gce://my-project/us-central1-c/gke-shop-default-pool-b0f1a2c3-x7k2',
    instanceId: '3941714257799828844',
    region: 'us-central1',
    account: 'my-project',
    clusterName: 'shop',
    location: 'us-central1',
  })
  expect(service.asked.some((path) => path.includes('recursive') || path.endsWith('attributes/'))).toBe(false)
})

test('metadata: GKE’s own server leaves the machine’s name out; its number is enough', async () => {
  const { '/computeMetadata/v1/instance/name': _, ...pods } = gce
  await using service = await metadataService(answering(pods, google))
  expect(await service.machine('GCP')).toMatchObject({ providerID: undefined, instanceId: '3941714257799828844' })
})

test('metadata: Google must have marked its answer', async () => {
  await using service = await metadataService(answering(gce))
  await expect(service.machine('GCP')).rejects.toThrow('not marked as Google’s')
})

test('metadata: Azure tells subscription, group, machine, and of a node of AKS the cluster', async () => {
  await using service = await metadataService((request, response) =>
    answering(request.headers['metadata'] === 'true' ? azure : {})(request, response),
  )
  expect(await service.machine('Azure')).toEqual({
    cloud: 'Azure',
    providerID: `azure://${azureGroup}/virtualMachineScaleSets/aks-nodepool1-12628255-vmss/virtualMachines/2`,
    region: 'westeurope',
    account: '8d10da13-8125-4ba9-a717-bf7490507b3d',
    clusterName: 'shop',
    nodeResourceGroup: 'MC_shop-rg_shop_westeurope',
  })
})

test('metadata: a name that could steer a terminal is none', async () => {
  await using service = await metadataService(ec2Service({ ...ec2, [CLUSTER_TAG]: '\u001b]0;owned\u0007' }))
  expect(await service.machine('AWS')).toMatchObject({ clusterName: undefined })
})

test.each(clouds)('metadata: %s answered by a page of HTML is Unavailable', async (cloud) => {
  await using service = await metadataService((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html', ...google })
    response.end('<!doctype html><html><body>Sign in to the hotel’s network</body></html>')
  })
  await expect(service.machine(cloud)).rejects.toMatchObject({ name: 'Unavailable' })
})

test.each(clouds)('metadata: %s with JSON of another shape is Unavailable', async (cloud) => {
  await using service = await metadataService((_, response) => {
    response.writeHead(200, google)
    response.end(JSON.stringify({ accountId: 7, region: ['a'], resourceId: null, tagsList: 'x' }).replaceAll(' ', ''))
  })
  await expect(service.machine(cloud)).rejects.toMatchObject({ name: 'Unavailable' })
})

test.each(clouds)('metadata: an endless answer of %s is cut off', async (cloud) => {
  let sent = 0
  await using service = await metadataService((_, response) => {
    response.writeHead(200, google)
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, 'a'))) sent += 65_536
    }
    response.on('drain', more)
    more()
  })
  await expect(service.machine(cloud)).rejects.toMatchObject({ name: 'Unavailable' })
  expect(sent).toBeLessThan(64 * 2 ** 20)
})

test.each(clouds)('metadata: %s that says nothing is given up', async (cloud) => {
  await using service = await metadataService(() => {})
  await expect(service.machine(cloud)).rejects.toThrow(
    `the metadata service of ${cloud} at ${service.base}: no answer within 1000 ms`,
  )
})

test.each(clouds)('metadata: %s that answers byte by byte is given up as a whole', async (cloud) => {
  await using service = await metadataService((_, response) => {
    response.writeHead(200, google)
    const drip = setInterval(() => response.write(' '), 50)
    response.on('close', () => clearInterval(drip))
  })
  await expect(service.machine(cloud)).rejects.toThrow('no answer within 1000 ms')
})

test.each(clouds)('metadata: a redirect of %s is not followed', async (cloud) => {
  await using service = await metadataService((request, response) => {
    response.writeHead(request.url === '/elsewhere' ? 200 : 302, { location: '/elsewhere', ...google })
    response.end('{}')
  })
  await expect(service.machine(cloud)).rejects.toThrow('302')
  expect(service.asked).not.toContain('GET /elsewhere')
})

test('metadata: nobody there is Unavailable, and an abort stays the caller’s', async () => {
  const gone = await metadataService(() => {})
  await gone[Symbol.asyncDispose]()
  await expect(gone.machine('Azure')).rejects.toMatchObject({ name: 'Unavailable' })
  await using service = await metadataService(() => {})
  const signal = AbortSignal.abort(new Error('we stop'))
  await expect(service.machine('AWS', signal)).rejects.toThrow('we stop')
})

test('metadata: it is asked directly, whatever proxy the environment names', async () => {
  await using service = await metadataService(answering(azure))
  const before = process.env['HTTP_PROXY']
  process.env['HTTP_PROXY'] = 'http://127.0.0.1:1'
  try {
    expect(await service.machine('Azure')).toMatchObject({ region: 'westeurope' })
  } finally {
    if (before === undefined) delete process.env['HTTP_PROXY']
    else process.env['HTTP_PROXY'] = before
  }
})
