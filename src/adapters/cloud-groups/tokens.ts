import { readFile } from 'node:fs/promises'
import type { ConfidentialClientApplication, ManagedIdentityApplication } from '@azure/msal-node'
import { Unavailable } from '../../ports.ts'
import { told } from './rest.ts'

type Env = Readonly<Record<string, string | undefined>>
/** A token that is good now; the libraries keep it until it is about to expire. @throws Unavailable */
export type Token = (signal: AbortSignal) => Promise<string>

const AZURE = 'https://management.azure.com'
const GOOGLE = 'https://www.googleapis.com/auth/cloud-platform'

/** Google's application default credentials: Workload Identity, a key or federation file, the machine's account. */
export const googleToken = (): Token =>
  keeping('Google', async () => {
    const { GoogleAuth } = await import('google-auth-library')
    const auth = new GoogleAuth({ scopes: [GOOGLE] })
    return async () => (await auth.getAccessToken()) ?? ''
  })

/**
 * Azure's workload identity where its webhook has set the pod's environment (AZURE_FEDERATED_TOKEN_FILE), else the machine's
 * managed identity, the one with AZURE_CLIENT_ID if that is set.
 */
export const azureToken = (env: Env = process.env): Token =>
  keeping('Azure', async () => {
    const msal = await import('@azure/msal-node')
    const { AZURE_FEDERATED_TOKEN_FILE: file, AZURE_CLIENT_ID: clientId, AZURE_TENANT_ID: tenant } = env
    if (file && clientId && tenant) {
      const authority = new URL(tenant, env['AZURE_AUTHORITY_HOST'] ?? 'https://login.microsoftonline.com/')
      return federated(
        new msal.ConfidentialClientApplication({
          auth: {
            clientId,
            authority: authority.href,
            knownAuthorities: [authority.host], // the webhook names it; nobody else is asked whether it is one
            clientAssertion: () => readFile(file, 'utf8'), // the kubelet writes a new one every hour
          },
        }),
      )
    }
    return managed(
      new msal.ManagedIdentityApplication(clientId ? { managedIdentityIdParams: { userAssignedClientId: clientId } } : {}),
    )
  })

const federated = (application: ConfidentialClientApplication) => async (): Promise<string> =>
  (await application.acquireTokenByClientCredential({ scopes: [`${AZURE}/.default`] }))?.accessToken ?? ''
const managed = (application: ManagedIdentityApplication) => async (): Promise<string> =>
  (await application.acquireToken({ resource: AZURE })).accessToken

/** Loads the library with the first token, and lets nobody wait longer than he wants to. */
const keeping = (cloud: string, open: () => Promise<() => Promise<string>>): Token => {
  let opened: Promise<() => Promise<string>> | undefined
  const ask = async (): Promise<string> => {
    opened ??= open()
    return (await opened)()
  }
  return async (signal) => {
    const { promise, reject } = Promise.withResolvers<never>()
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      const token = await Promise.race([ask(), promise])
      if (token !== '') return token
    } catch (error) {
      if (signal.aborted && signal.reason?.name !== 'TimeoutError') throw signal.reason
      throw new Unavailable(`${cloud} gives no token: ${told((error as Error).message)}`, { cause: error })
    } finally {
      signal.removeEventListener('abort', abort)
    }
    throw new Unavailable(`${cloud} gives no token`)
  }
}
