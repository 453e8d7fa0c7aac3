import { ConsumerEvents, type ConsumerMessages, type NatsConnection } from 'nats'

/**
 * Calls back once the line is broken, or what sends the messages (`delivered`) is silent, until the result is called. What
 * was on its way is lost then, and the client would go on by itself with whatever is sent later.
 */
export const onDisconnect = (nc: NatsConnection, then: () => void, delivered?: ConsumerMessages): (() => void) => {
  const statuses = nc.status()
  void (async () => {
    for await (const { type } of statuses) if (type === 'disconnect') then()
  })()
  void (async () => {
    for await (const { type } of (await delivered?.status()) ?? []) if (type === ConsumerEvents.HeartbeatsMissed) then()
  })()
  // The client's iterator has a stop() that its type does not name; `return` would wait for the next status.
  return () => (statuses as unknown as { stop(): void }).stop()
}
