import { expect, test } from 'vitest'
import type { KillPoint } from '../../../src/runtime/ground.ts'
import { killAt } from '../../../src/runtime/testing/kill-at.ts'
import type { Surroundings } from '../../../src/runtime/testing/paths.ts'
import { shipped } from '../../shipped.ts'

const node = { nodeName: 'n1', nodeUid: 'u1' }
const found = { name: 'n1', uid: 'u1', providerId: '', nodeIds: [] }
const object = { group: '', version: 'v1', resource: 'configmaps', namespace: 'web', name: 'settings' }
const changes = { labels: {}, annotations: {}, taints: [] }
const manifest = { metadata: { name: 'settings', namespace: 'web' } }
const answers = ['Gone', 'Refused', 'Unavailable']
const errors = [...answers, 'Held']

/** What each action may meet. */
const surroundings: Readonly<Record<string, Surroundings>> = {
  'patch-node': {
    input: { order: { id: 'a1', ...node, ...changes, capacity: { 'example.com/gpu': '1' } } },
    endings: {
      readForPatch: { outputs: [{ found, before: changes }, { found: null }], errors },
      patchNode: { outputs: [{}], errors },
      patchCapacity: { outputs: [{}], errors },
    },
  },
  'check-node-deleted': {
    input: { order: { id: 'a1', ...node } },
    endings: { readNode: { outputs: [{ found }, { found: null }], errors } },
  },
  'check-node-status': {
    input: { order: { id: 'a1', ...node, nodeStatus: 'READY', waitTimeoutSeconds: 60 } },
    endings: {
      awaitStatus: { outputs: [{ reached: true, seen: 'ready' }], errors },
      readStatus: {
        outputs: [
          { reached: false, seen: 'not ready' },
          { reached: true, seen: 'ready' },
        ],
        errors,
      },
    },
  },
  'evict-pod': {
    input: { order: { id: 'a1', namespace: 'web', podName: 'p', timeoutSeconds: 60 } },
    endings: {
      readPod: { outputs: [{ namespace: 'web', name: 'p', uid: 'p1', node: 'n1' }, null], errors },
      eviction: {
        outputs: [
          { uid: 'p1', outcome: 'evicted' },
          { uid: 'p1', outcome: 'failed', reason: 'why' },
        ],
      },
    },
  },
  'create-event': {
    input: { order: { id: 'a1', objectReference: { kind: 'Node', name: 'n1' }, reason: 'R', action: 'A' } },
    endings: { createEvent: { outputs: [{}], errors } },
  },
  'patch-object': {
    input: { order: { id: 'a1', object, patchType: 'merge', patch: {} } },
    endings: {
      readObject: { outputs: [{ uid: 'u1', patchedBy: '' }, { uid: 'u1', patchedBy: 'a1' }, {}], errors },
      patchObject: { outputs: [{ resourceVersion: '2' }], errors },
    },
  },
  'create-object': {
    input: { order: { id: 'a1', group: '', version: 'v1', resource: 'configmaps', object: manifest } },
    endings: {
      createObject: { outputs: [{ uid: 'u1', how: 'created' }, { how: 'exists' }], errors },
      mergeObject: { outputs: [{ uid: 'u1', how: 'patched' }], errors },
    },
  },
  'delete-object': {
    input: { order: { id: 'a1', object } },
    endings: { readObject: { outputs: [{ uid: 'u1' }, {}], errors }, deleteObject: { outputs: [{}], errors } },
  },
  'delete-node': {
    input: { order: { id: 'a1', ...node } },
    endings: {
      readNode: { outputs: [{ ...found, unschedulable: false }, null, { ...found, uid: 'u2' }], errors: answers },
      findOwner: {
        outputs: [
          { by: 'node-object' },
          { by: 'cluster-autoscaler' },
          { by: 'cluster-api', version: 'v1beta1', namespace: 'default', machine: 'm', uid: 'm1', group: {} },
        ],
        errors: answers,
      },
      mark: { outputs: [null], errors: answers },
      unmark: { outputs: [null], errors: answers },
      shrink: { outputs: [null], errors },
      awaitRemoved: { outputs: ['the cloud'], errors: answers },
      tidy: { outputs: [null], errors: answers },
      deleteNode: { outputs: [null], errors: answers },
      forgetNode: { outputs: [null], errors: answers },
      listBound: { outputs: [[], [{ namespace: 'web', name: 'p', uid: 'p1' }]], errors: answers },
      deletePod: { outputs: [null], errors: answers },
      listAttached: { outputs: [[], [{ name: 'v', uid: 'v1', isBeingDeleted: false }]], errors: answers },
      deleteAttachment: { outputs: [null], errors: answers },
    },
    sees: ({ owner, reason, isAsked, left, attached }: any) => [owner?.by, reason !== '', isAsked, left.length, attached.length],
  },
  'disconnect-cluster': {
    input: { order: { id: 'a1', namespace: 'quartermaster' } },
    endings: { readNamespace: { outputs: [{ uid: 'u1' }, {}], errors }, deleteNamespace: { outputs: [{}], errors } },
  },
}

const steps: readonly KillPoint[] = ['before-append', 'after-append', 'before-effect', 'after-effect']

test.each(Object.keys(surroundings).flatMap((type) => steps.map((step) => [type, step] as const)))(
  'kill: %s, %s, on every path: nothing is lost, nothing runs under a second key, the end is the same',
  async (type, step) => {
    const cancel = { type: `${type}.Cancel`, reason: 'the brake is on' }
    const met = { sees: ({ cancelled }: any) => cancelled !== undefined, ...surroundings[type], events: [cancel] }
    const { paths, kills } = await killAt(step).everyPath(shipped(type), met)
    expect(paths).toBeGreaterThan(2)
    expect(kills).toBeGreaterThan(0)
  },
)
