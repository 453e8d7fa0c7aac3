import { MARKER, scrubbed } from './secrets.ts'

const BOOLEAN = /^(?:true|false)$/
const NUMBER = /^-?\d{1,10}(?:\.\d{1,6})?$/
const NAME = /^[a-z0-9](?:[a-z0-9./-]{0,98}[a-z0-9])?$/
const NAMES = /^[a-z0-9-]{1,63}(?:\s*,\s*[a-z0-9-]{1,63}){0,30}$/
const HASH = /^\d{1,20}$/
const PROFILE = /^(?:runtime\/default|docker\/default|unconfined|localhost\/[\w./-]{0,100})$/
const ACTION = /^[\w.-]{1,100}$/
const FOUND = /^(?:un)?schedulable(?:-tainted)?(?:\/[\w.-]{1,100}(?:\/(?:un)?schedulable(?:-tainted)?)?)?$/
const BOOLEAN_OR_TIME = /^(?:true|false|(?:\d{1,9}(?:\.\d{1,9})?(?:h|m|s|ms|us|ns)){1,6})$/
const MIRROR = /^[0-9a-f]{1,64}$/

type Form = { readonly key: string; readonly form: RegExp; readonly usedFor: string }

/**
 * The annotations that some actor or rule reads, and how a value has to look to be kept. A key that ends in `*` is a
 * prefix. Every other annotation is dropped: they are where people and tools put whole configurations and tokens.
 */
export const keptAnnotations: readonly Form[] = [
  { key: 'quartermaster.dev/hourly-price', form: NUMBER, usedFor: 'the cost of a node' },
  { key: 'quartermaster.dev/cordoned-by', form: ACTION, usedFor: 'whose cordon it is' },
  { key: 'quartermaster.dev/found-before-cordon', form: FOUND, usedFor: 'what taking the cordon back makes of the node' },
  { key: 'quartermaster.dev/removal-disabled', form: BOOLEAN, usedFor: 'marks against eviction' },
  { key: 'autoscaling.cast.ai/removal-disabled', form: BOOLEAN, usedFor: 'marks against eviction' },
  { key: 'cluster-autoscaler.kubernetes.io/safe-to-evict', form: BOOLEAN, usedFor: 'marks against eviction' },
  { key: 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes', form: NAMES, usedFor: 'marks against eviction' },
  { key: 'cluster-autoscaler.kubernetes.io/scale-down-disabled', form: BOOLEAN, usedFor: 'marks against eviction' },
  { key: 'karpenter.sh/do-not-disrupt', form: BOOLEAN_OR_TIME, usedFor: 'marks against eviction' },
  { key: 'karpenter.sh/do-not-evict', form: BOOLEAN, usedFor: 'marks against eviction' },
  { key: 'karpenter.sh/do-not-consolidate', form: BOOLEAN, usedFor: 'marks against eviction' },
  { key: 'beta.evictor.cast.ai/eviction-disabled', form: BOOLEAN, usedFor: 'marks against eviction' },
  { key: 'quartermaster.dev/disposable', form: BOOLEAN, usedFor: 'pods that may be lost' },
  { key: 'autoscaling.cast.ai/disposable', form: BOOLEAN, usedFor: 'pods that may be lost' },
  { key: 'beta.evictor.cast.ai/disposable', form: BOOLEAN, usedFor: 'pods that may be lost' },
  { key: 'descheduler.alpha.kubernetes.io/evict', form: BOOLEAN, usedFor: 'pods that may be evicted' },
  { key: 'scheduling.k8s.io/group-name', form: NAME, usedFor: 'gangs' },
  { key: 'karpenter.sh/nodepool-hash', form: HASH, usedFor: 'drift of Karpenter nodes' },
  { key: 'karpenter.sh/nodepool-hash-version', form: NAME, usedFor: 'drift of Karpenter nodes' },
  { key: 'controller.kubernetes.io/pod-deletion-cost', form: NUMBER, usedFor: 'the cost of an eviction' },
  { key: 'kubernetes.io/config.mirror', form: MIRROR, usedFor: 'static pods' },
  { key: 'kubernetes.io/config.source', form: NAME, usedFor: 'static pods' },
  { key: 'deployment.kubernetes.io/revision', form: NUMBER, usedFor: 'rollouts' },
  { key: 'storageclass.kubernetes.io/is-default-class', form: BOOLEAN, usedFor: 'volumes' },
  { key: 'volume.kubernetes.io/selected-node', form: NAME, usedFor: 'volumes' },
  { key: 'kubernetes.io/ingress.class', form: NAME, usedFor: 'lint' },
  { key: 'openshift.io/scc', form: NAME, usedFor: 'lint' },
  { key: 'container.apparmor.security.beta.kubernetes.io/*', form: PROFILE, usedFor: 'Pod Security Standards' },
  { key: 'container.seccomp.security.alpha.kubernetes.io/*', form: PROFILE, usedFor: 'Pod Security Standards' },
  { key: 'seccomp.security.alpha.kubernetes.io/pod', form: PROFILE, usedFor: 'Pod Security Standards' },
  { key: 'kube-score/ignore', form: NAMES, usedFor: 'suppressed lint findings' },
  { key: 'kube-score/skip', form: NAMES, usedFor: 'suppressed lint findings' },
  { key: 'polaris.fairwinds.com/*', form: BOOLEAN, usedFor: 'suppressed lint findings' },
]
/** A finding that people suppress with a reason: that it is suppressed is kept, the reason is free text and is not. */
export const reasonedPrefixes: readonly string[] = ['ignore-check.kube-linter.io/', 'kube-linter.io/ignore-all']

const exact = new Map(keptAnnotations.filter(({ key }) => !key.endsWith('*')).map(({ key, form }) => [key, form]))
const prefixes = keptAnnotations.flatMap(({ key, form }) => (key.endsWith('*') ? [{ prefix: key.slice(0, -1), form }] : []))

/** Whether there is anything to keep of the annotation with this key. */
export const mayBeKept = (key: string): boolean =>
  exact.has(key) ||
  prefixes.some(({ prefix }) => key.startsWith(prefix)) ||
  reasonedPrefixes.some((prefix) => key.startsWith(prefix))

/**
 * What is kept of an annotation: its value if it has its form, else that there is one (a mirror pod is one whatever the
 * value says); `''` for a reason; undefined when it is dropped.
 */
export const keptAnnotation = (key: string, value: string): string | undefined => {
  if (reasonedPrefixes.some((prefix) => key.startsWith(prefix))) return ''
  const form = exact.get(key) ?? prefixes.find(({ prefix }) => key.startsWith(prefix))?.form
  if (form === undefined) return undefined
  return form.test(value) && scrubbed(value) === value ? value : MARKER
}
