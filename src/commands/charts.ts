import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { z } from 'zod'
import { chartAccount } from '../actors/controller/charts/account.ts'
import { ChartPolicy } from '../events/charts.ts'
import { hasForm } from '../events/pattern.ts'
import { UserError } from './session.ts'

type Options = {
  readonly charts: string
  readonly in?: readonly string[]
  readonly namespace: string
  readonly serviceAccount: string
}

/** `charts`: the account that Helm acts as. */
export const chartsCommand = (program: Command): void => {
  program
    .command('charts')
    .description('the account that Helm charts are installed as')
    .command('rbac')
    .description('the service account that the policy for charts names, with the rights that it lists and no others')
    .requiredOption('--charts <file>', 'the policy, as "up --charts" takes it')
    .option('--in <namespace...>', 'namespaces that the patterns of the policy stand for: RBAC knows no patterns')
    .option('--namespace <name>', 'where Quartermaster runs', 'quartermaster')
    .option('--service-account <name>', 'as whom: it may then act in the name of the account', 'quartermaster')
    .addHelpText('after', '\nExample:\n  $ quartermaster charts rbac --charts charts.json | kubectl apply -f -')
    .action(({ charts: file, in: given = [], namespace, serviceAccount }: Options) => {
      const policy = readPolicy(file)
      const own = { name: serviceAccount, namespace }
      const items = chartAccount(policy, { account: accountIn(policy, file), own, spaces: spacesOf(policy, given) })
      process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2)}\n`)
    })
}

/** @throws UserError naming the file, and the field that is wrong */
const readPolicy = (file: string): ChartPolicy => {
  try {
    const { success, data, error } = ChartPolicy.safeParse(JSON.parse(readFileSync(file, 'utf8')))
    if (success) return data
    throw new UserError(`--charts ${file}: ${z.prettifyError(error)}`)
  } catch (error) {
    if (error instanceof UserError) throw error
    throw new UserError(`--charts ${file} can't be read as JSON: ${(error as Error).message}`, { cause: error })
  }
}

const accountIn = ({ serviceAccount }: ChartPolicy, file: string) => {
  const [, , namespace, name] = serviceAccount?.split(':') ?? []
  if (namespace !== undefined && name !== undefined) return { namespace, name }
  throw new UserError(
    `--charts ${file}: it names no serviceAccount, so that Helm acts as Quartermaster itself; name one, such as system:serviceaccount:quartermaster:quartermaster-charts`,
  )
}

/** Where releases may be, by name. @throws UserError for a pattern of which nobody says what it stands for */
const spacesOf = ({ namespaces }: ChartPolicy, given: readonly string[]): readonly string[] | 'all' => {
  const foreign = given.find((space) => !namespaces.some((pattern) => hasForm(pattern, space)))
  if (foreign !== undefined) throw new UserError(`--in ${foreign}: the policy allows no releases there`)
  if (namespaces.includes('*') && given.length === 0) return 'all'
  const open = namespaces.find((pattern) => pattern.includes('*') && !given.some((space) => hasForm(pattern, space)))
  if (open !== undefined) throw new UserError(`RBAC knows no patterns: name the namespaces that "${open}" stands for with --in`)
  return [...new Set([...namespaces.filter((each) => !each.includes('*')), ...given])].toSorted()
}
