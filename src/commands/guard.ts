import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { nkeys } from 'nats'
import { z } from 'zod'
import { guardAccount } from '../actors/controller/guard-account.ts'
import { signedText } from '../actors/controller/signature.ts'
import { Guard } from '../events/guard.ts'
import { Approve } from '../events/orders.ts'
import { type Verb, verbNames, verbs } from '../events/verbs.ts'
import { UserError } from './session.ts'

/** The guard that a file holds. @throws UserError naming the file and the field */
export const readGuard = (file: string): Guard => {
  const { success, data, error } = Guard.safeParse(readJson(file))
  if (success) return data
  throw new UserError(`--guard ${file}: ${z.prettifyError(error)}`)
}

const readJson = (file: string): unknown => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UserError(`${file} can't be read as JSON: ${(error as Error).message}`, { cause: error })
  }
}

type Account = { readonly guard: string; readonly namespace: string; readonly serviceAccount: string }

/** `guard`: looks at a guard's file, makes its account, and signs orders. */
export const guardCommand = (program: Command): void => {
  const guard = program.command('guard').description('what may be ordered of the controller: its file, its account, signatures')
  guard
    .command('check')
    .description('read a guard file as "up --guard" does, and print it with what it leaves open')
    .argument('<file>')
    .action((file: string) => void process.stdout.write(`${JSON.stringify(readGuard(file), null, 2)}\n`))
  guard
    .command('rbac')
    .description('the service account for Patch, Create and Delete, with the rights that the guard lists and no others')
    .requiredOption('--guard <file>', 'the guard')
    .option('--namespace <name>', 'where Quartermaster runs', 'quartermaster')
    .option('--service-account <name>', 'whose pods may ask for its tokens', 'quartermaster')
    .addHelpText('after', '\nExample:\n  $ quartermaster guard rbac --guard guard.json | kubectl apply -f -')
    .action(({ guard: file, namespace, serviceAccount }: Account) => {
      const items = guardAccount(readGuard(file), { namespace, serviceAccount })
      process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2)}\n`)
    })
  guard
    .command('sign')
    .description('complete an order and sign it: prints the payload to publish')
    .argument('<verb>', 'such as DrainNode, or Approve')
    .argument('<payload>', "the order's fields as JSON, its id among them")
    .requiredOption('--seed <file>', "the file with the nkey seed of a user: SU…, as 'nk -gen user' writes it")
    .requiredOption('--key <name>', 'the name that the guard gives to its public key')
    .requiredOption('--cluster <id>', 'the cluster that it is for')
    .addHelpText(
      'after',
      `\nExample:\n  $ nats pub qm.demo.cmd.controller.DeleteNode "$(quartermaster guard sign DeleteNode '{"id":"…","nodeName":"n1"}' --seed me.nk --key me --cluster demo)"`,
    )
    .action((verb: string, payload: string, options: Signing) => void process.stdout.write(`${signed(verb, payload, options)}\n`))
}

type Signing = { readonly seed: string; readonly key: string; readonly cluster: string }

/** @throws UserError when it is no order, or the file holds no seed */
const signed = (verb: string, payload: string, { seed, key, cluster }: Signing): string => {
  const order = completed(verb, payload)
  const text = signedText(cluster, verb, order)
  const value = Buffer.from(pairIn(seed).sign(new TextEncoder().encode(text))).toString('base64url')
  return JSON.stringify({ ...order, signature: { key, value } })
}

/** The payload with every field that it leaves to its default: what the controller reads is what was signed. */
const completed = (verb: string, payload: string): object => {
  const schema = verb === 'Approve' ? Approve : verbNames.includes(verb as Verb) ? verbs[verb as Verb].order : undefined
  if (!schema) throw new UserError(`${verb} is not one of ${verbNames.join(', ')} or Approve`)
  const { success, data, error } = schema.safeParse(parsed(payload))
  if (success) return data
  throw new UserError(`${verb}: ${z.prettifyError(error)}`)
}
const parsed = (payload: string): unknown => {
  try {
    return JSON.parse(payload)
  } catch (error) {
    throw new UserError(`the payload is not JSON: ${(error as Error).message}`, { cause: error })
  }
}
const pairIn = (file: string) => {
  try {
    return nkeys.fromSeed(new TextEncoder().encode(readFileSync(file, 'utf8').trim()))
  } catch (error) {
    throw new UserError(`${file} holds no nkey seed: ${(error as Error).message}`, { cause: error })
  }
}
