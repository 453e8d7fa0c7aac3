import { expect, test } from 'vitest'
import { type Contents, kindContents } from '../../src/adapters/jetstream/objects-contents.ts'
import { pods } from '../../src/events/kinds.ts'
import type { KubernetesObject } from '../../src/events/kubernetes.ts'

type Version = { readonly uid: string | undefined; readonly resourceVersion: string; readonly payload: Uint8Array }
const pod = (name: string, resourceVersion: string, app = 'web'): KubernetesObject => ({
  kind: 'Pod',
  metadata: { namespace: 'shop', name, uid: name, resourceVersion, labels: { app } },
})

const keep = (contents: Contents, object: KubernetesObject): boolean =>
  contents.keep(object.metadata, () => Buffer.from(JSON.stringify(object)))

/** Contents over a writer that has not written anything yet. */
const given = () => {
  const waiting = new Map<string, Version>()
  const writer = {
    put: (subject: string, version: Version) => void waiting.set(subject, version),
    wanted: (subject: string) => waiting.get(subject),
    subjects: () => waiting.keys(),
  }
  const live = () =>
    [...waiting.values()].flatMap(({ uid, payload }) =>
      uid === undefined
        ? []
        : [`${uid} ${(JSON.parse(Buffer.from(payload).toString()) as KubernetesObject).metadata.labels?.['app']}`],
    )
  return { contents: kindContents('demo', pods, writer, true), live }
}

test('contents: what still waits to be written is buried too when a list does not name it', () => {
  const { contents, live } = given()
  keep(contents, pod('a', '1'))
  contents.listing()
  keep(contents, pod('b', '2'))
  contents.listed([])
  expect(live()).toEqual(['b web'])
})

test('contents: after the history has gone back the same version may mean something else', () => {
  const { contents, live } = given()
  keep(contents, pod('a', '5', 'old'))
  contents.listing()
  keep(contents, pod('a', '5', 'new'))
  contents.listed([])
  expect(live()).toEqual(['a old'])
  contents.listing(true)
  keep(contents, pod('a', '5', 'new'))
  contents.listed([])
  expect(live()).toEqual(['a new'])
})

test('contents: of what can not be read no older version stays, and it is counted until it can be read, or is gone', () => {
  const { contents, live } = given()
  keep(contents, pod('a', '1'))
  contents.leaveOut({ namespace: 'shop', name: 'a' })
  contents.leaveOut({ namespace: 'shop', name: 'b' })
  contents.leaveOut(undefined)
  expect(live()).toEqual([])
  expect(contents.leftOut()).toBe(3)
  keep(contents, pod('a', '2'))
  contents.remove(pod('b', '3'))
  expect(contents.leftOut()).toBe(1)
  contents.listing()
  expect(contents.leftOut()).toBe(0)
})

test('contents: an object that is too large for a record is left out', () => {
  const { contents, live } = given()
  keep(contents, pod('a', '1'))
  expect(keep(contents, pod('a', '2', 'x'.repeat(2 ** 20)))).toBe(false)
  expect(live()).toEqual([])
  expect(contents.leftOut()).toBe(1)
})
