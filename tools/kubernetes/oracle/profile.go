package main

import (
	"fmt"

	"k8s.io/klog/v2"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// A profile and what of the configuration beside it counts.
type configured struct {
	profile                  config.KubeSchedulerProfile
	percentageOfNodesToScore *int32
}

// readProfile reads a KubeSchedulerConfiguration as kube-scheduler does; without a file it is the built-in default.
func readProfile(file string) (*configured, error) {
	if file != "" {
		read, err := options.LoadConfigFromFile(klog.Background(), file)
		if err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
		return &configured{profile: read.Profiles[0], percentageOfNodesToScore: read.PercentageOfNodesToScore}, nil
	}
	var versioned configv1.KubeSchedulerConfiguration
	scheme.Scheme.Default(&versioned)
	var read config.KubeSchedulerConfiguration
	if err := scheme.Scheme.Convert(&versioned, &read, nil); err != nil {
		return nil, err
	}
	return &configured{profile: read.Profiles[0], percentageOfNodesToScore: read.PercentageOfNodesToScore}, nil
}

// alone is a profile with no plugin but one, so that it can be asked by itself. Its scheduler's name is the plugin's.
func (c *configured) alone(plugin config.Plugin) config.KubeSchedulerProfile {
	return config.KubeSchedulerProfile{
		SchedulerName: plugin.Name,
		PluginConfig:  c.profile.PluginConfig,
		Plugins: &config.Plugins{
			QueueSort:  config.PluginSet{Enabled: []config.Plugin{{Name: names.PrioritySort}}},
			Bind:       config.PluginSet{Enabled: []config.Plugin{{Name: names.DefaultBinder}}},
			MultiPoint: config.PluginSet{Enabled: []config.Plugin{plugin}},
		},
	}
}

// profilesAlone are one profile for each plugin that can say no to a pod.
func (c *configured) profilesAlone() []config.KubeSchedulerProfile {
	seen := map[string]bool{names.PrioritySort: true, names.DefaultBinder: true}
	var profiles []config.KubeSchedulerProfile
	plugins := c.profile.Plugins
	for _, set := range []config.PluginSet{plugins.MultiPoint, plugins.PreEnqueue, plugins.PreFilter, plugins.Filter} {
		for _, plugin := range set.Enabled {
			if !seen[plugin.Name] {
				profiles = append(profiles, c.alone(plugin))
			}
			seen[plugin.Name] = true
		}
	}
	return profiles
}
