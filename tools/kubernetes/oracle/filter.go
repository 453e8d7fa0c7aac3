package main

import (
	"context"
	"fmt"
	"io"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

type filterQuestion struct {
	// "namespace/name". Of a pod on a node its replacement is asked about, and the pod itself is gone.
	Pod   string   `json:"pod"`
	Nodes []string `json:"nodes"`
}
type refusal struct {
	Plugin  string   `json:"plugin"`
	Reasons []string `json:"reasons"`
}
type filterAnswer struct {
	Pod string `json:"pod"`
	// In the order of the question: every plugin that says no to the node; none, and the pod fits.
	Nodes []nodeAnswer `json:"nodes"`
}
type nodeAnswer struct {
	Node     string    `json:"node"`
	Refusals []refusal `json:"refusals"`
}

// filter answers for each pod and node what every plugin says by itself, and checks that all of them together, which is how
// kube-scheduler asks them, come to the same.
func filter(ctx context.Context, objects *objects, configured *configured, in io.Reader, out io.Writer) error {
	alone := configured.profilesAlone()
	c, err := newCluster(ctx, objects, objects.nodes, configured, alone...)
	if err != nil {
		return err
	}
	defer c.stop()
	asked := asking{cluster: c}
	for _, profile := range alone {
		asked.alone = append(asked.alone, c.Profiles[profile.SchedulerName])
	}
	return eachLine(in, out, func(question filterQuestion) (filterAnswer, error) {
		pod := objects.pods[question.Pod]
		if pod == nil {
			return filterAnswer{}, fmt.Errorf("there is no pod %s", question.Pod)
		}
		return asked.about(ctx, pod, question)
	})
}

type asking struct {
	*cluster
	// A framework for each plugin.
	alone []framework.Framework
}

func (a *asking) about(ctx context.Context, pod *v1.Pod, question filterQuestion) (answer filterAnswer, err error) {
	answer.Pod = question.Pod
	logger := klog.FromContext(ctx)
	if pod.Spec.NodeName != "" {
		if err := a.Cache.RemovePod(logger, pod); err != nil {
			return answer, err
		}
		defer func() {
			if added := a.Cache.AddPod(logger, pod); err == nil {
				err = added
			}
		}()
	}
	if err := a.update(ctx); err != nil {
		return answer, err
	}
	next := replacement(pod)
	together := begin(ctx, a.standard, next)
	var each []*cycle
	for _, plugin := range a.alone {
		each = append(each, begin(ctx, plugin, next))
	}
	for _, name := range question.Nodes {
		node, err := a.view.Get(name)
		if err != nil {
			return answer, err
		}
		found := nodeAnswer{Node: name, Refusals: []refusal{}}
		for _, cycle := range each {
			reasons, err := cycle.refuses(ctx, node)
			if err != nil {
				return answer, err
			}
			if reasons != nil {
				found.Refusals = append(found.Refusals, refusal{cycle.ProfileName(), reasons})
			}
		}
		reasons, err := together.refuses(ctx, node)
		if err != nil {
			return answer, err
		}
		if (reasons == nil) != (len(found.Refusals) == 0) {
			return answer, fmt.Errorf("%s on %s: together the plugins say %v, one by one %v", question.Pod, name, reasons, found.Refusals)
		}
		answer.Nodes = append(answer.Nodes, found)
	}
	return answer, nil
}

// A cycle is the question about one pod, as far as it is not about one node.
type cycle struct {
	framework.Framework
	pod   *v1.Pod
	state fwk.CycleState
	// Why no node at all will do.
	everywhere *fwk.Status
	only       *fwk.PreFilterResult
}

func begin(ctx context.Context, plugins framework.Framework, pod *v1.Pod) *cycle {
	c := &cycle{Framework: plugins, pod: pod, state: framework.NewCycleState()}
	for _, plugin := range plugins.PreEnqueuePlugins() {
		if c.everywhere = plugin.PreEnqueue(ctx, pod); !c.everywhere.IsSuccess() {
			return c
		}
	}
	c.only, c.everywhere, _ = plugins.RunPreFilterPlugins(ctx, c.state, pod)
	return c
}

// refuses returns the reasons against the node, nil when there is none. A plugin that fails is no answer but an error.
func (c *cycle) refuses(ctx context.Context, node fwk.NodeInfo) ([]string, error) {
	status := c.everywhere
	if status.IsSuccess() {
		if !c.only.AllNodes() && !c.only.NodeNames.Has(node.Node().Name) {
			return []string{"not one of the nodes that PreFilter leaves"}, nil
		}
		status = c.RunFilterPluginsWithNominatedPods(ctx, c.state, c.pod, node)
	}
	if status.IsSuccess() {
		return nil, nil
	}
	if status.Code() == fwk.Error {
		return nil, fmt.Errorf("%s fails for %s/%s on %s: %w", c.ProfileName(), c.pod.Namespace, c.pod.Name, node.Node().Name, status.AsError())
	}
	return append([]string{}, status.Reasons()...), nil
}
