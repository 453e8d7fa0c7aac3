import fc from 'fast-check'

// Where secrets are found in clusters: each place as a function that puts one there. Written from the API, not from the
// allow-list that is tested with it.

type Json = Record<string, unknown>
/** An object of a kind with a secret in it. */
type Planted = { readonly group: string; readonly resource: string; readonly where: string; readonly object: Json }

/** Letters and digits among each other, in base64 too: never words, nor a quantity. */
const isMixed = (text: string): boolean => /[A-Za-z][0-9]+[A-Za-z]/.test(text)
export const secrets = fc
  .stringMatching(/^[a-z][0-9][A-Za-z0-9]{3}[0-9][A-Za-z0-9]{6,30}$/)
  .filter((secret) => isMixed(secret) && isMixed(Buffer.from(secret).toString('base64')))

/** The ways in which a secret is written. */
const guises: Readonly<Record<string, (secret: string) => string>> = {
  plain: (secret) => secret,
  base64: (secret) => Buffer.from(secret).toString('base64'),
  'a URL with a password': (secret) => `postgres://admin:${secret}@db.example.com:5432/shop`,
  'a connection string': (secret) => `Server=db;Uid=admin;Pwd=${secret};`,
  'a text of many lines': (secret) => `first\npassword: ${secret}\nlast`,
  JSON: (secret) => JSON.stringify({ credentials: { token: secret } }),
  'a flag with its value': (secret) => `--password=${secret}`,
  'a short flag with its value': (secret) => `-p${secret}`,
  'a script': (secret) => `export TOKEN=${secret} && exec app`,
}

const inContainer: Readonly<Record<string, (text: string) => Json>> = {
  env: (text) => ({ env: [{ name: 'LOG_LEVEL', value: text }] }),
  command: (text) => ({ command: ['app', text] }),
  args: (text) => ({ args: ['--password', text] }),
  'liveness command': (text) => ({ livenessProbe: { exec: { command: ['curl', text] } } }),
  'readiness header': (text) => ({ readinessProbe: { httpGet: { httpHeaders: [{ name: 'Authorization', value: text }] } } }),
  'startup path': (text) => ({ startupProbe: { httpGet: { path: `/ready?token=${text}`, port: 80 } } }),
  'path of a token': (text) => ({ startupProbe: { httpGet: { path: `/hooks/${text}`, port: 80 } } }),
  'postStart command': (text) => ({ lifecycle: { postStart: { exec: { command: [text] } } } }),
  'preStop header': (text) => ({ lifecycle: { preStop: { httpGet: { httpHeaders: [{ name: 'X', value: text }] } } } }),
  'Windows credentials': (text) => ({ securityContext: { windowsOptions: { gmsaCredentialSpec: text } } }),
  'an unknown field': (text) => ({ environment: { deeply: [{ nested: text }] } }),
  'a field of another type': (text) => ({ stdin: text, ports: [{ containerPort: text }], resources: text }),
}
const containerLists = ['containers', 'initContainers', 'ephemeralContainers']

const inPod: Readonly<Record<string, (text: string) => Json>> = {
  'volume attributes': (text) => ({ volumes: [{ name: 'v', csi: { driver: 'd', volumeAttributes: { share: text } } }] }),
  'flexVolume options': (text) => ({ volumes: [{ name: 'v', flexVolume: { driver: 'd', options: { password: text } } }] }),
  'git repository': (text) => ({ volumes: [{ name: 'v', gitRepo: { repository: `https://user:${text}@example.com/r.git` } }] }),
  'an unknown volume': (text) => ({ volumes: [{ name: 'v', vault: { token: text } }] }),
  'an unknown field': (text) => ({ secretsOfTheFuture: text }),
  ...Object.fromEntries(
    containerLists.flatMap((list) =>
      Object.entries(inContainer).map(([place, plant]) => [
        `${list}: ${place}`,
        (text: string) => ({ [list]: [{ name: 'first' }, { name: 'app', image: 'app:1', ...plant(text) }] }),
      ]),
    ),
  ),
}
const pod = (spec: Json): Json => ({ containers: [{ name: 'app', image: 'app:1' }], ...spec })

/** Where kinds keep a pod's specification. */
const holders: Readonly<Record<string, (template: Json) => Json>> = {
  pods: (template) => template,
  ...Object.fromEntries(
    [
      'deployments.apps',
      'replicasets.apps',
      'statefulsets.apps',
      'daemonsets.apps',
      'replicationcontrollers',
      'jobs.batch',
      'rollouts.argoproj.io',
      'extendeddaemonsetreplicasets.datadoghq.com',
    ].map((kind) => [kind, (template: Json) => ({ spec: { template } })]),
  ),
  'cronjobs.batch': (template) => ({ spec: { jobTemplate: { spec: { template } } } }),
  'scaledjobs.keda.sh': (template) => ({ spec: { jobTargetRef: { template } } }),
}

const annotationKeys = [
  'kubectl.kubernetes.io/last-applied-configuration',
  'example.com/token',
  'quartermaster.dev/hourly-price',
  'cluster-autoscaler.kubernetes.io/safe-to-evict',
  'ignore-check.kube-linter.io/no-anti-affinity',
  'polaris.fairwinds.com/exempt',
]

/** In every kind of object. */
const inMetadata: Readonly<Record<string, (text: string) => Json>> = {
  ...Object.fromEntries(annotationKeys.map((key) => [`annotation ${key}`, (text: string) => ({ annotations: { [key]: text } })])),
  'name of an annotation': (text) => ({ annotations: { [text]: 'x' } }),
  'managed fields': (text) => ({ managedFields: [{ manager: text, fieldsV1: { [`f:${text}`]: {} } }] }),
  'an unknown field': (text) => ({ selfLink: text }),
}

const elsewhere: readonly (readonly [kind: string, where: string, plant: (text: string) => Json])[] = [
  ['configmaps', 'data', (text) => ({ data: { 'app.conf': text } })],
  ['configmaps', 'binaryData', (text) => ({ binaryData: { 'app.bin': text } })],
  ['persistentvolumes', 'attributes', (text) => ({ spec: { csi: { driver: 'd', volumeAttributes: { account: text } } } })],
  ['persistentvolumes', 'mount options', (text) => ({ spec: { mountOptions: ['dir_mode=0777', `password=${text}`] } })],
  ['storageclasses.storage.k8s.io', 'parameters', (text) => ({ parameters: { adminSecret: text } })],
  ['nodes', 'a condition', (text) => ({ status: { conditions: [{ type: 'Ready', status: 'False', message: text }] } })],
  ['nodes', 'images', (text) => ({ status: { images: [{ names: [text], sizeBytes: 1 }] } })],
  [
    'pods',
    'last words',
    (text) => ({ status: { containerStatuses: [{ state: { terminated: { exitCode: 1, message: text } } }] } }),
  ],
  ['pods', 'message', (text) => ({ status: { message: text } })],
  ['events', 'message', (text) => ({ message: text, reason: 'Failed' })],
  ['events', 'an eviction', (text) => ({ message: `The node was low on resource: memory. Also: "${text}"` })],
  ['events.events.k8s.io', 'note', (text) => ({ note: text })],
  ['ingresses.networking.k8s.io', 'path', (text) => ({ spec: { rules: [{ http: { paths: [{ path: `/${text}` }] } }] } })],
  ['validatingwebhookconfigurations.admissionregistration.k8s.io', 'caBundle', (text) => webhook({ caBundle: text })],
  [
    'mutatingwebhookconfigurations.admissionregistration.k8s.io',
    'URL',
    (text) => webhook({ url: `https://u:${text}@x.example/` }),
  ],
  ['mutatingwebhookconfigurations.admissionregistration.k8s.io', 'path', (text) => webhook({ url: `https://x.example/${text}` })],
  [
    'resourceclaims.resource.k8s.io',
    'parameters',
    (text) => ({ spec: { devices: { config: [{ opaque: { parameters: { text } } }] } } }),
  ],
  ['ec2nodeclasses.karpenter.k8s.aws', 'userData', (text) => ({ spec: { userData: `#!/bin/sh\njoin ${text}` } })],
  ['ec2nodeclasses.karpenter.k8s.aws', 'tags', (text) => ({ spec: { tags: { token: text } } })],
  ['gcenodeclasses.karpenter.k8s.gcp', 'metadata', (text) => ({ spec: { metadata: { 'startup-script': text } } })],
  ['nodepools.karpenter.sh', 'an unknown field', (text) => ({ spec: { template: { spec: { userData: text } } } })],
  ['provisioners.karpenter.sh', 'provider', (text) => ({ spec: { provider: { launchTemplate: text } } })],
  ['scaledobjects.keda.sh', 'a trigger', (text) => ({ spec: { triggers: [{ type: 'redis', metadata: { address: text } }] } })],
  ['scaledjobs.keda.sh', 'a trigger', (text) => ({ spec: { triggers: [{ type: 'sql', metadata: { connection: text } }] } })],
  [
    'rollouts.argoproj.io',
    'an analysis',
    (text) => ({ spec: { strategy: { canary: { analysis: { args: [{ value: text }] } } } } }),
  ],
  ['verticalpodautoscalers.autoscaling.k8s.io', 'a condition', (text) => ({ status: { conditions: [{ message: text }] } })],
  ['widgets.example.com', 'anything', (text) => ({ spec: { deeply: [{ nested: text }] }, [text]: { x: 1 }, data: text })],
  ['services', 'an unknown field', (text) => ({ spec: { credentials: text, ports: [{ port: text }] } })],
]
const webhook = (clientConfig: Json): Json => ({ webhooks: [{ name: 'w', clientConfig }] })

const meta: Json = { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '1', labels: { app: 'web' } }
const kindNames = [...Object.keys(holders), ...new Set(elsewhere.map(([kind]) => kind))]

type Place = { readonly kind: string; readonly where: string; readonly plant: (text: string) => Json }
const places: readonly Place[] = [
  ...Object.entries(holders).flatMap(([kind, hold]) =>
    Object.entries(inPod).map(([where, plant]) => ({ kind, where, plant: (text: string) => hold({ spec: pod(plant(text)) }) })),
  ),
  ...Object.entries(holders).flatMap(([kind, hold]) =>
    Object.entries(inMetadata).map(([where, plant]) => ({
      kind,
      where: `template, ${where}`,
      plant: (text: string) => hold({ metadata: { ...meta, ...plant(text) }, spec: pod({}) }),
    })),
  ),
  ...kindNames.flatMap((kind) =>
    Object.entries(inMetadata).map(([where, plant]) => ({
      kind,
      where,
      plant: (text: string) => ({ metadata: { ...meta, ...plant(text) } }),
    })),
  ),
  ...elsewhere.map(([kind, where, plant]) => ({ kind, where, plant })),
]

/** A secret in every place and in every guise: an object of each. */
export const plantedEverywhere = (secret: string): readonly Planted[] =>
  places.flatMap(({ kind, where, plant }) => {
    const [resource = '', ...group] = kind.split('.')
    return Object.entries(guises).map(([guise, write]) => ({
      group: group.join('.'),
      resource,
      where: `${kind}: ${where}, as ${guise}`,
      object: { metadata: meta, ...plant(write(secret)) },
    }))
  })
