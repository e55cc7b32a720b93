// Command policies enforces the NetworkPolicies of the node's pods, by the engine that kind's own network embeds. That one has nftables hand
// it the first packet of each connection, by a statement that not every kernel has; here the target NFQUEUE of iptables does so.
// It says in the ConfigMap kube-system/pod-network whether policies hold.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

const (
	queue = 100
	chain = "KIND-POLICIES"
	// longest is one more letter than the name of a table of nftables may have.
	longest = 256
	// queues lists those that somebody listens to, in the network namespace of the node.
	queues = "/proc/net/netfilter/nfnetlink_queue"
)

func main() {
	pods := flag.String("pods", "10.244.0.0/24", "addresses of the node's pods, as the network plugin gives them out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *pods); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, pods string) error {
	if _, err := netip.ParsePrefix(pods); err != nil {
		return err
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	// Where it does not run, packets pass: nothing of the node may depend on it.
	controller, err := networkpolicy.NewController(client, factory.Networking().V1().NetworkPolicies(), factory.Core().V1().Namespaces(),
		factory.Core().V1().Pods(), nil, nil, nil, nil, networkpolicy.Config{
			FailOpen: true, QueueID: queue, NodeName: os.Getenv("NODE_NAME"),
			// A table that the kernel refuses at once. One that it takes back half-way, for the statement that it does not have, takes the hooks
			// of its chains with it, and each time the kernel drops all packets that wait in any queue.
			NFTableName: strings.Repeat("x", longest),
		})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- controller.Run(ctx) }()
	factory.Start(ctx.Done())
	if err := enforce(ctx, pods); err != nil {
		// Restarting would not give the kernel what it lacks; what reads the ConfigMap is told.
		log.Print(err)
		if err := report(ctx, client, "false", err.Error()); err != nil {
			return err
		}
	} else if err := report(ctx, client, "true", ""); err != nil {
		return err
	}
	return <-ended
}

// enforce sends new connections of pods to the queue, once somebody listens to it.
func enforce(ctx context.Context, pods string) error {
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) { return listening() })
	if err != nil {
		return fmt.Errorf("nobody listens to queue %d (%s): %w", queue, queues, err)
	}
	// After the addresses of Services are those of pods, and before those of pods are the node's. The node's own daemons may reach
	// every pod: probes do, and the API server.
	to := fmt.Sprintf("-j NFQUEUE --queue-num %d --queue-bypass", queue)
	rules := strings.Join([]string{
		"*mangle", ":" + chain + " - [0:0]",
		"-A " + chain + " -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
		"-A " + chain + " -m owner --uid-owner 0 -j RETURN",
		"-A " + chain + " -s " + pods + " " + to,
		"-A " + chain + " -d " + pods + " " + to,
		"COMMIT", "",
	}, "\n")
	if err := iptables(ctx, rules, "iptables-restore", "--noflush"); err != nil {
		return err
	}
	if iptables(ctx, "", "iptables", "-t", "mangle", "-C", "POSTROUTING", "-j", chain) == nil {
		return nil
	}
	return iptables(ctx, "", "iptables", "-t", "mangle", "-A", "POSTROUTING", "-j", chain)
}

// listening says whether somebody reads the queue.
func listening() (bool, error) {
	text, err := os.ReadFile(queues)
	if errors.Is(err, fs.ErrNotExist) {
		return false, errors.New("this kernel has no queues of packets")
	}
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == strconv.Itoa(queue) {
			return true, nil
		}
	}
	return false, nil
}

func iptables(ctx context.Context, in, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Stdin = strings.NewReader(in)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return nil
}

// report says in the ConfigMap whether policies hold, and why not.
func report(ctx context.Context, client kubernetes.Interface, enforces, reason string) error {
	patch := fmt.Sprintf(`{"data": {"enforcesNetworkPolicies": %q, "reason": %q}}`, enforces, reason)
	_, err := client.CoreV1().ConfigMaps("kube-system").Patch(ctx, "pod-network", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}
