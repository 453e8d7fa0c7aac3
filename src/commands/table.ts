import { stripVTControlCharacters } from 'node:util'

/** Text from the cluster without characters that could steer a terminal. */
export const printable = (text: string): string => stripVTControlCharacters(text).replace(/\p{C}/gu, '?')

/** The same for text of several lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n')

/** Rows as aligned columns; cells that are numbers are set to the right. No lines, so that it greps well. */
export const table = (rows: readonly (readonly (string | number)[])[]): string => {
  const widths = rows.reduce<number[]>((wide, row) => row.map((cell, index) => Math.max(wide[index] ?? 0, widthOf(cell))), [])
  const line = (row: readonly (string | number)[]): string =>
    row.map((cell, index) => padded(cell, widths[index] ?? 0, index === row.length - 1)).join('  ')
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('')
}

const widthOf = (cell: string | number): number => stripVTControlCharacters(String(cell)).length

const padded = (cell: string | number, width: number, isLast: boolean): string => {
  const blank = ' '.repeat(Math.max(0, width - widthOf(cell)))
  if (typeof cell === 'number') return blank + cell
  return isLast ? cell : cell + blank
}

/** Dollars an hour, as people write them. */
export const dollars = (hourly: number): string =>
  `$${hourly.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}/h`
