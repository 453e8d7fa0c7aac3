import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { command } from '../command.ts'
import { withHome } from '../up.ts'

const serviceAccount = 'system:serviceaccount:quartermaster:charts'

test('charts rbac: the account of the policy as kubectl takes it; what RBAC can not say is refused with the remedy', () =>
  withHome(async (home) => {
    const file = join(home, 'charts.json')
    const rbac = (policy: object, ...more: readonly string[]) => {
      writeFileSync(file, JSON.stringify(policy))
      return command(home, ['charts', 'rbac', '--charts', file, ...more])
    }
    const { items } = JSON.parse((await rbac({ serviceAccount, namespaces: ['shop', 'team-*'] }, '--in', 'team-a')).out)
    const spaces = items.filter(({ kind }: any) => kind === 'Role').map(({ metadata }: any) => metadata.namespace)
    expect(spaces).toEqual(['shop', 'team-a', 'quartermaster'])
    const refused = async (...asked: Parameters<typeof rbac>) => {
      const { code, err } = await rbac(...asked)
      expect(code).toBe(2)
      return err
    }
    expect(await refused({ serviceAccount, namespaces: ['team-*'] })).toMatch(
      /name the namespaces that "team-\*" stands for with --in/,
    )
    expect(await refused({ serviceAccount, namespaces: ['shop'] }, '--in', 'mall')).toMatch(
      /--in mall: the policy allows no releases there/,
    )
    expect(await refused({ namespaces: ['shop'] })).toMatch(/it names no serviceAccount/)
    expect(await refused({ names: [] })).toMatch(/charts\.json: .*names/s)
  }))
