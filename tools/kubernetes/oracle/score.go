package main

import (
	"context"
	"fmt"
	"io"

	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

type scoreQuestion struct {
	// "namespace/name". Of a pod on a node its replacement is asked about, and the pod itself is gone.
	Pod string `json:"pod"`
}
type scoreAnswer struct {
	Pod string `json:"pod"`
	// Those that pass all Filters, however many kube-scheduler would look at.
	Nodes []scored `json:"nodes"`
}
type scored struct {
	Node  string `json:"node"`
	Total int64  `json:"total"`
	// By plugin, weighted.
	Scores map[string]int64 `json:"scores"`
}

// score answers for each pod how every node that it fits on is scored.
func score(ctx context.Context, objects *objects, configured *configured, in io.Reader, out io.Writer) error {
	c, err := newCluster(ctx, objects, objects.nodes, configured)
	if err != nil {
		return err
	}
	defer c.stop()
	return eachLine(in, out, func(question scoreQuestion) (scoreAnswer, error) {
		return c.scores(ctx, objects, question)
	})
}

func (c *cluster) scores(ctx context.Context, objects *objects, question scoreQuestion) (answer scoreAnswer, err error) {
	answer = scoreAnswer{Pod: question.Pod, Nodes: []scored{}}
	pod := objects.pods[question.Pod]
	if pod == nil {
		return answer, fmt.Errorf("there is no pod %s", question.Pod)
	}
	logger := klog.FromContext(ctx)
	if pod.Spec.NodeName != "" {
		if err := c.Cache.RemovePod(logger, pod); err != nil {
			return answer, err
		}
		defer func() {
			if added := c.Cache.AddPod(logger, pod); err == nil {
				err = added
			}
		}()
	}
	if err := c.update(ctx); err != nil {
		return answer, err
	}
	cycle := begin(ctx, c.standard, replacement(pod))
	feasible, err := c.feasible(ctx, cycle)
	if err != nil || len(feasible) == 0 {
		return answer, err
	}
	if status := cycle.RunPreScorePlugins(ctx, cycle.state, cycle.pod, feasible); !status.IsSuccess() {
		return answer, status.AsError()
	}
	all, status := cycle.RunScorePlugins(ctx, cycle.state, cycle.pod, feasible)
	if !status.IsSuccess() {
		return answer, status.AsError()
	}
	for _, each := range all {
		node := scored{Node: each.Name, Total: each.TotalScore, Scores: map[string]int64{}}
		for _, plugin := range each.Scores {
			node.Scores[plugin.Name] = plugin.Score
		}
		answer.Nodes = append(answer.Nodes, node)
	}
	return answer, nil
}

func (c *cluster) feasible(ctx context.Context, cycle *cycle) ([]fwk.NodeInfo, error) {
	nodes, err := c.view.List()
	if err != nil {
		return nil, err
	}
	var feasible []fwk.NodeInfo
	for _, node := range nodes {
		reasons, err := cycle.refuses(ctx, node)
		if err != nil {
			return nil, err
		}
		if reasons == nil {
			feasible = append(feasible, node)
		}
	}
	return feasible, nil
}
