export type ListenAddress = { readonly host: string; readonly port: number }

/** Prometheus' usual port for a program's own metrics, and this machine alone. */
export const METRICS_ADDRESS: ListenAddress = { host: '127.0.0.1', port: 9464 }

/**
 * Pure: `HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; without a host this machine alone is meant. Port 0 is any free one.
 * @throws Error that says what an address looks like
 */
export const listenAddress = (text: string): ListenAddress => {
  const { host, port = '' } = /^(?:(?<host>\[[\da-f:.]+\]|[^:[\]\s]*):)?(?<port>\d{1,5})$/i.exec(text)?.groups ?? {}
  if (port === '' || Number(port) > 65_535)
    throw new Error(`"${text}" is no address to listen on: use HOST:PORT, [IPV6]:PORT or a port alone, such as 127.0.0.1:9464`)
  return { host: host?.replace(/^\[|\]$/g, '') || METRICS_ADDRESS.host, port: Number(port) }
}
