// Oracle answers what kube-scheduler would do with a cluster that is given as a List of objects.
//
// It runs the scheduler's own code in this process: its plugins, its cache and its algorithm, over listers that hold the
// objects. Nothing is contacted. Questions are read from standard input, one JSON object a line, and answered on standard
// output in the same order.
//
//	oracle filter --snapshot FILE [--config FILE]   {"pod":"ns/name","nodes":["a","b"]} → what each Filter plugin says
//	oracle score  --snapshot FILE [--config FILE]   {"pod":"ns/name"}                   → what each Score plugin gives each node
//	oracle place  --snapshot FILE [--config FILE]   {"seed":1,"steps":[…]}              → where each replacement lands
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"k8s.io/klog/v2"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "oracle: %v\n", err)
		os.Exit(2)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("say what to answer: oracle filter, oracle score or oracle place")
	}
	flags := flag.NewFlagSet("oracle "+args[0], flag.ContinueOnError)
	snapshot := flags.String("snapshot", "", "a List of objects as JSON")
	config := flags.String("config", "", "a KubeSchedulerConfiguration; its first profile is asked (default: the built-in one)")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	objects, err := readSnapshot(*snapshot)
	if err != nil {
		return err
	}
	profile, err := readProfile(*config)
	if err != nil {
		return err
	}
	ctx := klog.NewContext(context.Background(), klog.Background())
	switch args[0] {
	case "filter":
		return filter(ctx, objects, profile, in, out)
	case "score":
		return score(ctx, objects, profile, in, out)
	case "place":
		return place(ctx, objects, profile, in, out)
	}
	return fmt.Errorf("there is no question %q: filter, score and place are", args[0])
}
