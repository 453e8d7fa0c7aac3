import { labels, nodeSelector, quantities, taints, tolerations } from './pods.ts'
import type { Fields, Rule } from './rule.ts'

// Dynamic resource allocation, in the fields of v1 and of its betas.
// Of each kind the fields beside `metadata`, from the API reference of Kubernetes 1.35.

const selectors: Rule = [{ cel: { expression: 'text' } }]

const exactRequest: Fields = {
  name: 'text',
  deviceClassName: 'text',
  allocationMode: 'text',
  count: 'number',
  adminAccess: 'boolean',
  selectors,
  tolerations,
  capacity: { requests: quantities },
}

/** `config` holds parameters that only a driver understands: they are dropped. */
const claimOfDevices: Rule = {
  devices: {
    requests: [{ ...exactRequest, exactly: exactRequest, firstAvailable: [exactRequest] }],
    constraints: [{ requests: ['text'], matchAttribute: 'text', distinctAttribute: 'text' }],
  },
}

const device: Fields = {
  name: 'text',
  nodeName: 'text',
  allNodes: 'boolean',
  nodeSelector,
  attributes: { '*': { string: 'text', int: 'number', bool: 'boolean', version: 'text' } },
  capacity: { '*': { value: 'quantity' } },
  taints,
  allowMultipleAllocations: 'boolean',
  consumesCounters: [{ counterSet: 'text', counters: { '*': { value: 'quantity' } } }],
}

export const devices: Readonly<Record<string, Fields>> = {
  'deviceclasses.resource.k8s.io': { spec: { selectors, extendedResourceName: 'text' } },
  'resourceclaims.resource.k8s.io': {
    spec: claimOfDevices,
    status: {
      reservedFor: [{ apiGroup: 'text', resource: 'text', name: 'text', uid: 'text' }],
      allocation: {
        nodeSelector,
        devices: { results: [{ request: 'text', driver: 'text', pool: 'text', device: 'text', adminAccess: 'boolean' }] },
      },
    },
  },
  'resourceclaimtemplates.resource.k8s.io': {
    spec: { metadata: { labels, annotations: 'annotations' }, spec: claimOfDevices },
  },
  'resourceslices.resource.k8s.io': {
    spec: {
      driver: 'text',
      nodeName: 'text',
      allNodes: 'boolean',
      nodeSelector,
      pool: { name: 'text', generation: 'number', resourceSliceCount: 'number' },
      sharedCounters: [{ name: 'text', counters: { '*': { value: 'quantity' } } }],
      devices: [{ ...device, basic: device }],
    },
  },
}
