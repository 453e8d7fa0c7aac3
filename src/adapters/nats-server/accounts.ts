/** The actors' own account: all streams are in it, and nobody but the system's processes may log in to it. */
export const SYSTEM_ACCOUNT = 'QUARTERMASTER'

/** Who may command: one account per principal, with one user. NATS tells of both in the subject of every command. */
export type Operator = {
  /** The account's name, one subject token: `[A-Za-z0-9-]`. */
  readonly account: string
  /** The user's public nkey. */
  readonly user: string
}

/** Who may log in: the actors themselves (by public nkey), and those who command them. */
export type Principals = { readonly system: string; readonly operators: readonly Operator[] }

/** What an operator may send: commands, calls and questions, and asking which services there are. */
const SENDS = ['qm.*.cmd.>', 'qm.*.call.>', 'qm.*.ask.>', '$SRV.>']
const HEARS = ['qm.*.evt.>', 'qm.*.inspect.>']
/** Commands with and without an id. Their subject here ends in `.by.<account>.<user>`, which only the import can write. */
const ORDERS = ['qm.*.cmd.*.*', 'qm.*.cmd.*.*.*', 'qm.*.call.*.*', 'qm.*.call.*.*.*'] as const

/**
 * The server's accounts. The principal goes into the subject, because the header that tells of it (`Nats-Request-Info`) is
 * taken off what is stored, and before 2.15 the sender could put one of its own before it.
 */
export const accounts = ({ system, operators }: Principals) => ({
  [SYSTEM_ACCOUNT]: { jetstream: 'enabled', users: [{ nkey: system }], exports: EXPORTS },
  ...Object.fromEntries(operators.map((operator) => [operator.account, accountOf(operator)])),
})

const accountOf = ({ account, user }: Operator) => ({
  // Permissions only make the refusal audible: the wall is that nothing else is imported.
  users: [{ nkey: user, permissions: { publish: { allow: SENDS } } }],
  imports: [
    ...ORDERS.map((to) => ({ service: imported(`${to}.by.${account}.${user}`), to })),
    { service: imported('qm.*.ask.>') },
    { service: imported('$SRV.>') },
    ...HEARS.map((stream) => ({ stream: imported(stream) })),
  ],
})
const imported = (subject: string) => ({ account: SYSTEM_ACCOUNT, subject })

const EXPORTS = [
  // NATS itself sees to it that an account imports under its own name alone.
  ...ORDERS.map((order) => ({ service: `${order}.by.*.*`, account_token_position: order.split('.').length + 2 })),
  { service: 'qm.*.ask.>' },
  { service: '$SRV.>', response_type: 'Stream' },
  ...HEARS.map((stream) => ({ stream })),
]
