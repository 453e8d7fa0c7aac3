import fc from 'fast-check'
import { expect, test } from 'vitest'
import { capacityTypeOf } from '../../src/events/capacity-type.ts'

// The labels as EKS, GKE, AKS, Karpenter, kOps, Spot.io and CAST document them.
test.each([
  ['eks.amazonaws.com/capacityType', 'SPOT', 'spot'],
  ['eks.amazonaws.com/capacityType', 'ON_DEMAND', 'on-demand'],
  ['eks.amazonaws.com/capacityType', 'CAPACITY_BLOCK', 'reserved'],
  ['karpenter.sh/capacity-type', 'spot', 'spot'],
  ['karpenter.sh/capacity-type', 'on-demand', 'on-demand'],
  ['karpenter.sh/capacity-type', 'reserved', 'reserved'],
  ['cloud.google.com/gke-spot', 'true', 'spot'],
  ['cloud.google.com/gke-preemptible', 'true', 'spot'],
  ['cloud.google.com/gke-provisioning', 'standard', 'on-demand'],
  ['cloud.google.com/gke-nodepool', 'default-pool', 'on-demand'],
  ['kubernetes.azure.com/scalesetpriority', 'spot', 'spot'],
  ['kubernetes.azure.com/agentpool', 'nodepool1', 'on-demand'],
  ['spotinst.io/node-lifecycle', 'od', 'on-demand'],
  ['node.kubernetes.io/lifecycle', 'spot', 'spot'],
  ['kubernetes.io/lifecycle', 'normal', 'on-demand'],
  ['node-role.kubernetes.io/spot-worker', '', 'spot'],
  ['lifecycle', 'Ec2Spot', 'spot'],
  ['scheduling.cast.ai/spot', 'true', 'spot'],
  ['eks.amazonaws.com/nodegroup', 'mine', 'unknown'],
  ['karpenter.sh/capacity-type', 'constructor', 'unknown'],
  ['cloud.google.com/gke-spot', 'false', 'unknown'],
])('capacity type: %s=%s is %s', (label, value, type) => {
  expect(capacityTypeOf({ 'kubernetes.io/os': 'linux', [label]: value })).toBe(type)
})

test('capacity type: a fallback of CAST is on demand, whatever else it carries', () => {
  expect(capacityTypeOf({ 'scheduling.cast.ai/spot': 'true', 'scheduling.cast.ai/spot-fallback': 'true' })).toBe('on-demand')
})

test('capacity type: what made the machine is believed before what people wrote', () => {
  expect(capacityTypeOf({ lifecycle: 'spot', 'eks.amazonaws.com/capacityType': 'ON_DEMAND' })).toBe('on-demand')
})

test('capacity type: any labels are answered, and the order they come in does not matter', () => {
  const label = fc.oneof(fc.string(), fc.constantFrom('lifecycle', 'spot', 'karpenter.sh/capacity-type', '__proto__'))
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(label, fc.string()), { selector: ([name]) => name }), (entries) => {
      const type = capacityTypeOf(Object.fromEntries(entries))
      expect(capacityTypeOf(Object.fromEntries(entries.toReversed()))).toBe(type)
      expect(['spot', 'on-demand', 'reserved', 'unknown']).toContain(type)
    }),
  )
})
