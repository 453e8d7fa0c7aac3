import { expect, test } from 'vitest'
import { metadataEndpoints, ownNode, providerSettings } from '../../../src/adapters/providers/settings.ts'

const inPod = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }

test('provider settings: in a pod the nodes say whose metadata service is asked, elsewhere none is', () => {
  expect(providerSettings(inPod).metadata).toBe('nodes')
  expect(providerSettings({}).metadata).toEqual({ never: 'this process is not in the cluster' })
})

test.each([
  [{ QUARTERMASTER_METADATA: 'gcp' }, 'GCP'],
  [{ QUARTERMASTER_METADATA: 'nodes' }, 'nodes'],
  [{ ...inPod, QUARTERMASTER_METADATA: 'Never' }, { never: 'QUARTERMASTER_METADATA is never' }],
  [{ ...inPod, AWS_EC2_METADATA_DISABLED: 'true' }, { never: 'AWS_EC2_METADATA_DISABLED is true' }],
  [{ ...inPod, AWS_EC2_METADATA_DISABLED: 'true', QUARTERMASTER_METADATA: 'Azure' }, 'Azure'],
])('provider settings: %o asks %o', (env, expected) => {
  expect(providerSettings(env).metadata).toEqual(expected)
})

test('provider settings: what an operator says is taken, and an empty variable says nothing', () => {
  const env = {
    QUARTERMASTER_PROVIDER: 'eks',
    QUARTERMASTER_PROVIDER_CLUSTER: 'shop',
    QUARTERMASTER_PROVIDER_REGION: '',
    QUARTERMASTER_PROVIDER_ACCOUNT: ' 123456789012 ',
  }
  expect(providerSettings(env)).toMatchObject({ provider: 'EKS', name: 'shop', region: undefined, account: '123456789012' })
})

test.each([
  [{ QUARTERMASTER_PROVIDER: 'Oracle' }, 'QUARTERMASTER_PROVIDER="Oracle": it is one of EKS, GKE, AKS'],
  [{ QUARTERMASTER_PROVIDER_CLUSTER: 'a b' }, 'QUARTERMASTER_PROVIDER_CLUSTER="a b"'],
  [{ QUARTERMASTER_METADATA: 'yes' }, 'QUARTERMASTER_METADATA="yes": it is one of AWS, GCP, Azure, nodes, never'],
])('provider settings: %o is refused by its name', (env, message) => {
  expect(() => providerSettings(env)).toThrow(message)
})

test('provider settings: metadata is link-local, or where the clouds’ own variables say', () => {
  const local = 'http://169.254.169.254'
  expect(metadataEndpoints({})).toEqual({ AWS: local, GCP: local, Azure: local })
  expect(
    metadataEndpoints({
      AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://[fd00:ec2::254]/',
      GCE_METADATA_HOST: 'metadata.google.internal:80',
      QUARTERMASTER_AZURE_METADATA_ENDPOINT: 'http://127.0.0.1:9/',
    }),
  ).toEqual({ AWS: 'http://[fd00:ec2::254]', GCP: 'http://metadata.google.internal:80', Azure: 'http://127.0.0.1:9' })
  expect(() => metadataEndpoints({ GCE_METADATA_HOST: 'a b' })).toThrow('GCE_METADATA_HOST')
  expect(() => metadataEndpoints({ AWS_EC2_METADATA_SERVICE_ENDPOINT: 'file:///etc/passwd' })).toThrow('it is no http URL')
  expect(ownNode({ NODE_NAME: 'node-a' })).toBe('node-a')
  expect(ownNode({ NODE_NAME: '' })).toBeUndefined()
})
