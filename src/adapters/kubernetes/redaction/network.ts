import { conditions, labelSelector, labels, objectReference } from './pods.ts'
import type { Fields, Rule } from './rule.ts'

// What leads to pods, and what may call the API server on its way.
// Of each kind the fields beside `metadata`, from the API reference of Kubernetes 1.35.

const networkPeers: Rule = [
  { podSelector: labelSelector, namespaceSelector: labelSelector, ipBlock: { cidr: 'text', except: ['text'] } },
]

const networkPorts: Rule = [{ protocol: 'text', port: 'scalar', endPort: 'number' }]

const ingressBackend: Rule = {
  service: { name: 'text', port: { name: 'text', number: 'number' } },
  resource: objectReference,
}

/** A webhook's certificate says nothing about how it acts, and the path of its URL may be the secret. */
const webhooks: Rule = [
  {
    name: 'text',
    failurePolicy: 'text',
    matchPolicy: 'text',
    reinvocationPolicy: 'text',
    sideEffects: 'text',
    timeoutSeconds: 'number',
    admissionReviewVersions: ['text'],
    namespaceSelector: labelSelector,
    objectSelector: labelSelector,
    rules: [{ apiGroups: ['text'], apiVersions: ['text'], operations: ['text'], resources: ['text'], scope: 'text' }],
    clientConfig: { url: 'origin', service: { name: 'text', namespace: 'text', port: 'number', path: 'requestPath' } },
  },
]

export const network: Readonly<Record<string, Fields>> = {
  services: {
    spec: {
      type: 'text',
      selector: labels,
      clusterIP: 'text',
      clusterIPs: ['text'],
      externalName: 'text',
      externalIPs: ['text'],
      externalTrafficPolicy: 'text',
      internalTrafficPolicy: 'text',
      trafficDistribution: 'text',
      ipFamilies: ['text'],
      ipFamilyPolicy: 'text',
      healthCheckNodePort: 'number',
      loadBalancerClass: 'text',
      loadBalancerSourceRanges: ['text'],
      allocateLoadBalancerNodePorts: 'boolean',
      publishNotReadyAddresses: 'boolean',
      sessionAffinity: 'text',
      ports: [{ name: 'text', port: 'number', targetPort: 'scalar', nodePort: 'number', protocol: 'text', appProtocol: 'text' }],
    },
    status: { conditions },
  },
  'ingresses.networking.k8s.io': {
    spec: {
      ingressClassName: 'text',
      defaultBackend: ingressBackend,
      tls: [{ hosts: ['text'], secretName: 'text' }],
      rules: [{ host: 'text', http: { paths: [{ path: 'requestPath', pathType: 'text', backend: ingressBackend }] } }],
    },
  },
  'networkpolicies.networking.k8s.io': {
    spec: {
      podSelector: labelSelector,
      policyTypes: ['text'],
      ingress: [{ from: networkPeers, ports: networkPorts }],
      egress: [{ to: networkPeers, ports: networkPorts }],
    },
  },
  'validatingwebhookconfigurations.admissionregistration.k8s.io': { webhooks },
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': { webhooks },
}
