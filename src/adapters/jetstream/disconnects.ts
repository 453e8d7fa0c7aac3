import type { NatsConnection } from 'nats'

/** Calls back whenever the line breaks, until the result is called. What was on its way over it is lost with it. */
export const onDisconnect = (nc: NatsConnection, then: () => void): (() => void) => {
  const statuses = nc.status()
  void (async () => {
    for await (const { type } of statuses) if (type === 'disconnect') then()
  })()
  // The client's iterator has a stop() that its type does not name; `return` would wait for the next status.
  return () => (statuses as unknown as { stop(): void }).stop()
}
