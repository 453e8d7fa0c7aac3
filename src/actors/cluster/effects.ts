import type { BrakeSwitch } from '../../events/cluster.ts'
import { type KubernetesWrites, type Power, type Processes, powerInWords, type SwitchReads } from '../../ports.ts'
import type { EffectContext, EffectsOf } from '../../runtime/types.ts'
import type { cluster } from '../cluster.ts'

/** What the cluster actor itself needs of Kubernetes. */
export const clusterPowers: readonly Power[] = [{ verb: 'get', group: '', resource: 'configmaps' }]

/** @param powers what each actor type needs of Kubernetes, by its own declaration */
export const clusterEffects = (
  kubernetes: Pick<KubernetesWrites, 'missingPowers'>,
  processes: Processes,
  brakeSwitch: SwitchReads,
  powers: Readonly<Record<string, readonly Power[]>>,
): EffectsOf<typeof cluster> => ({
  checkPowers: {
    reach: 'internal',
    idempotency: 'natural', // it only asks
    timeoutMs: 10_000,
    retry: { attempts: 3, backoffMs: 500, on: ['Unavailable', 'TimedOut'] },
    run: async (_, { signal }) => {
      const asked = Object.entries(powers).map(async ([actor, needed]) =>
        (await kubernetes.missingPowers(needed, signal)).map((power) => ({ actor, power: powerInWords(power) })),
      )
      return { missing: (await Promise.all(asked)).flat() }
    },
  },
  awaitBrake: {
    reach: 'internal',
    idempotency: 'natural', // it only waits
    timeoutMs: 'activity',
    // The commit that asks for this effect is the one that put the brake on: its number is in the key.
    run: (_, { key, signal }) => processes.awaitSeen(Number(key.split('/').at(-2)), signal),
  },
  watchSwitch: {
    reach: 'internal',
    idempotency: 'natural', // it only reads; what it reports twice the machine does not accept twice
    timeoutMs: 'activity',
    run: (_, context) => watched(brakeSwitch, context),
  },
})

const LOOK_MS = 1_000
const SLOWER_MS = 10_000

/** Without an answer the brake stays as it is: a ConfigMap that can't be read says nothing. */
const watched = async (brakeSwitch: SwitchReads, { signal, report }: EffectContext): Promise<never> => {
  let told: string | undefined
  for (;;) {
    const found = await brakeSwitch.readSwitch(signal).catch(() => 'unread' as const)
    signal.throwIfAborted()
    const now = JSON.stringify(found ?? null)
    if (found !== 'unread' && now !== told) {
      await report(eventOf(found))
      told = now
    }
    await new Promise((resolve) => setTimeout(resolve, found === 'unread' ? SLOWER_MS : LOOK_MS))
    signal.throwIfAborted()
  }
}
const eventOf = (found: BrakeSwitch | undefined) =>
  found ? { type: 'cluster.SwitchSet', ...found } : { type: 'cluster.SwitchCleared' }
