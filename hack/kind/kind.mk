# A kind cluster, with or without a registry: see hack/kind/README.md.

##@ Kind

# What makes the cluster, by kind's own library.
KIND := $(BIN)/kind/cluster
# Another name of the cluster than that of the clone. Only the command line counts: a variable of that name in somebody's environment is
# hardly meant for this, and kind-down removes what it names.
CLUSTER :=
export TOWPATH_KIND_CLUSTER := $(or $(CLUSTER),$(TOWPATH_KIND_CLUSTER))
KIND_KUBECONFIG := $(BIN)/kind/$(addsuffix .,$(TOWPATH_KIND_CLUSTER))kubeconfig
# What kind-load loads.
IMAGES ?= $(IMG)

$(KIND): $(wildcard hack/kind/cluster/*.go) hack/kind/cluster/go.mod hack/kind/cluster/go.sum
	CGO_ENABLED=0 go -C hack/kind/cluster build -o $@ .
	@touch $@

.PHONY: kind-up
kind-up: $(KIND) ## Start a kind cluster, or go on with the one there is; its kubeconfig is bin/kind/kubeconfig. CLUSTER names another.
	@$(KIND) up

.PHONY: kind-load
kind-load: $(KIND) ## Copy IMAGES (the manager's IMG) from Docker into the kind cluster.
	@$(KIND) load $(IMAGES)

.PHONY: kind-logs
kind-logs: $(KIND) ## Copy what the kind cluster's node and its pods logged to build/kind/logs.
	@$(KIND) logs build/kind/logs

.PHONY: kind-down
kind-down: $(KIND) ## Remove the kind cluster, and end Docker where kind-up has started it.
	@$(KIND) down

.PHONY: kind-node-image
kind-node-image: ## Build the node image for machines without a registry (once; 20 minutes); kind-up does it where it must.
	@hack/kind/docker.sh start
	@hack/kind/node-image.sh build

$(BIN)/ginkgo: go.mod go.sum
	CGO_ENABLED=0 go build -o $@ github.com/onsi/ginkgo/v2/ginkgo
	@touch $@

# Which specs run, such as LABELS=smoke or LABELS='!disruptive'.
LABELS ?=
# How many run beside each other; those that disturb others run alone, in any case.
PROCS ?= 3
# KEEP=1 leaves cluster and Docker as they are after the specs, also where the target has started them.
KEEP ?=

.PHONY: test-e2e
test-e2e: export TOWPATH_KIND_KUBECONFIG := $(KIND_KUBECONFIG)
test-e2e: $(KIND) kube build $(BIN)/kustomize $(BIN)/ginkgo ## Run everything on a kind cluster with pods that run (LABELS=smoke: ten minutes), and end what it started for that, unless KEEP=1; what failed leaves its traces in build/kind.
	@$(KIND) with $(if $(KEEP),--keep) build/kind/logs \
	  test/kind/run.sh -procs=$(PROCS) -timeout=60m --label-filter='$(LABELS)' $(TESTFLAGS)
