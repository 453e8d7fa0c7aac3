package main

import (
	"encoding/json"
	"fmt"
	"os"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kubernetes/pkg/api/legacyscheme"

	// The API server's defaults of each kind, which an object that was never sent to one lacks.
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/resource/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
)

// A cluster as the scheduler's watches would tell it. Nodes and pods go into its cache, all else into its listers.
type objects struct {
	nodes []*v1.Node
	// Those on nodes.
	bound []*v1.Pod
	// By "namespace/name", on nodes and pending.
	pods   map[string]*v1.Pod
	others []runtime.Object
}

// readSnapshot reads a List of objects of any kinds. Kinds that Kubernetes itself does not have are passed over.
func readSnapshot(file string) (*objects, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--snapshot: %w", err)
	}
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	read := &objects{pods: map[string]*v1.Pod{}}
	for index, item := range list.Items {
		if err := read.add(item); err != nil {
			return nil, fmt.Errorf("%s: items[%d]: %w", file, index, err)
		}
	}
	return read, nil
}

func (o *objects) add(item []byte) error {
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(item, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	legacyscheme.Scheme.Default(object)
	named, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	if named.GetUID() == "" {
		named.SetUID(types.UID(fmt.Sprintf("%T/%s/%s", object, named.GetNamespace(), named.GetName())))
	}
	switch typed := object.(type) {
	case *v1.Node:
		o.nodes = append(o.nodes, typed)
	case *v1.Pod:
		return o.addPod(typed)
	default:
		o.others = append(o.others, typed)
	}
	return nil
}

// A pod that has run its course is not among those that the scheduler watches.
func (o *objects) addPod(pod *v1.Pod) error {
	if pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed {
		return nil
	}
	key := pod.Namespace + "/" + pod.Name
	if o.pods[key] != nil {
		return fmt.Errorf("the pod %s is there twice", key)
	}
	o.pods[key] = pod
	if pod.Spec.NodeName != "" {
		o.bound = append(o.bound, pod)
	}
	return nil
}

// replacement is the pod that its owner makes when this one is gone.
func replacement(pod *v1.Pod) *v1.Pod {
	again := pod.DeepCopy()
	again.UID += "-again"
	again.DeletionTimestamp = nil
	again.Spec.NodeName = ""
	again.Status = v1.PodStatus{Phase: v1.PodPending, ResourceClaimStatuses: pod.Status.ResourceClaimStatuses}
	return again
}
