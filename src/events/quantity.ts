const BINARY: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 }
const DECIMAL: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
}
const FORM = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E))?$/

/**
 * A Kubernetes resource quantity as a number of its unit (cores, bytes, devices).
 * Grammar: apimachinery `pkg/api/resource/quantity.go`.
 * @throws RangeError when the text is not a quantity
 */
export const quantity = (text: string | number): number => {
  if (typeof text === 'number') return text
  const [, digits, exponent, suffix = ''] = FORM.exec(text) ?? []
  if (digits === undefined) throw new RangeError(`"${text}" is not a resource quantity (as in 500m, 2, 1.5Gi)`)
  if (exponent !== undefined) return Number(digits + exponent)
  return Number(digits) * (BINARY[suffix] ?? DECIMAL[suffix] ?? Number.NaN)
}

/** The same in thousandths, rounded up as the scheduler does (`Quantity.MilliValue`): integers add without drift. */
export const milli = (text: string | number): number => Math.ceil(quantity(text) * 1000 - 1e-9)
