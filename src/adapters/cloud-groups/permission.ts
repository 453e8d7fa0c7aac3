import { Refused } from '../../ports.ts'

/**
 * Asks a cloud whether it would let us, before anything is emptied for it. Who gets no answer goes on: the cloud says it once
 * more when the machine is to go.
 * @param asked resolves to whether we may @throws Refused naming the permission that is missing; the signal's reason
 */
export const permitted = async (
  permission: string,
  where: string,
  asked: Promise<boolean>,
  signal?: AbortSignal,
): Promise<void> => {
  const isAllowed = await asked.catch(() => true)
  signal?.throwIfAborted()
  if (!isAllowed) throw new Refused(`we have no permission ${permission} on ${where}: grant it (docs/node-removal.md)`)
}
