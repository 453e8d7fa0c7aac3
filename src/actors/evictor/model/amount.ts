// Amounts are whole numbers in doubles: cpu in thousandths of a core, everything else in its own unit (bytes, devices).
// Up to 2^53 (8 PiB) sums and differences are exact. While a pod's containers are summed its amounts are thousandths in
// bigints, because the scheduler rounds the sum up, not its parts.

const POWERS: Readonly<Record<string, bigint>> = {
  Ki: 2n ** 10n,
  Mi: 2n ** 20n,
  Gi: 2n ** 30n,
  Ti: 2n ** 40n,
  Pi: 2n ** 50n,
  Ei: 2n ** 60n,
}
const EXPONENTS: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const FORM = /^([+-]?)(\d{1,40})?(?:\.(\d{0,40}))?(?:[eE]([+-]?\d{1,3})|(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E))?$/

const ceilDivided = (a: bigint, b: bigint): bigint => (a + b - 1n) / b
const wrong = (text: string | number, what: string): RangeError => new RangeError(`"${text}" ${what}`)

type Parts = { readonly digits: bigint; readonly exponent: number; readonly suffix: string }
const partsOf = (text: string | number): Parts => {
  const [, sign, whole = '', fraction = '', exponent, suffix = ''] = FORM.exec(String(text)) ?? []
  if (sign === undefined || whole + fraction === '') throw wrong(text, 'is not a resource quantity (as in 500m, 2, 1.5Gi)')
  const digits = BigInt(whole + fraction)
  if (sign === '-' && digits > 0n) throw wrong(text, 'is negative: a resource quantity is zero or more')
  return { digits, exponent: Number(exponent ?? EXPONENTS[suffix] ?? 0) - fraction.length, suffix }
}

/**
 * A Kubernetes resource quantity in thousandths. Grammar: apimachinery `pkg/api/resource/quantity.go`. A binary fraction
 * (1.3Mi) is rounded up to a thousandth, as the API server does before it stores it.
 * @throws RangeError for what is no quantity, is negative, finer than a thousandth (0.1m) or beyond 2^63
 */
export const thousandths = (text: string | number): bigint => {
  const { digits, exponent, suffix } = partsOf(text)
  const power = POWERS[suffix]
  const scale = exponent + 3
  const large = digits * (power ?? 1n) * 10n ** BigInt(Math.max(0, scale))
  const divisor = 10n ** BigInt(Math.max(0, -scale))
  if (power === undefined && large % divisor !== 0n) throw wrong(text, 'is finer than a thousandth: no API server stores that')
  const result = ceilDivided(large, divisor)
  if (result > MOST * 1000n) throw wrong(text, 'is beyond 2^63, the largest quantity')
  return result
}
const MOST = 2n ** 63n - 1n

/**
 * Thousandths as the model counts the resource: rounded up like the scheduler's `MilliValue` and `Value`.
 * @throws RangeError beyond 2^53, where doubles are no longer exact
 */
export const counted = (resource: string, amount: bigint): number => {
  const result = Number(resource === 'cpu' ? amount : ceilDivided(amount, 1000n))
  if (!Number.isSafeInteger(result)) throw new RangeError(`${resource}: ${result} is more than the planner counts (2^53)`)
  return result
}

/** @returns the quantity in the model's unit of the resource @throws RangeError as `thousandths` and `counted` do */
export const amountOf = (resource: string, text: string | number): number => {
  try {
    return counted(resource, thousandths(text))
  } catch (error) {
    if (error instanceof RangeError && !error.message.startsWith(resource))
      throw new RangeError(`${error.message} (of ${resource})`, { cause: error })
    throw error
  }
}
