import { ConsumerEvents, type ConsumerMessages, type NatsConnection } from 'nats'

/**
 * Calls back once the line is broken or what sends the messages is silent, until the result is called. The client would go
 * on by itself, with whatever is sent after what was lost.
 */
export const interrupted = (nc: NatsConnection, delivered: ConsumerMessages, then: () => void): (() => void) => {
  const statuses = nc.status()
  void (async () => {
    for await (const { type } of statuses) if (type === 'disconnect') then()
  })()
  void (async () => {
    for await (const { type } of await delivered.status()) if (type === ConsumerEvents.HeartbeatsMissed) then()
  })()
  // The client's iterator has a stop() that its type does not name; `return` would wait for the next status.
  return () => (statuses as unknown as { stop(): void }).stop()
}
