# A kind cluster, with or without a registry: see hack/kind/README.md.

##@ Kind

# What makes the cluster, by kind's own library.
KIND := $(BIN)/kind/cluster
KIND_KUBECONFIG := $(BIN)/kind/kubeconfig
# What kind-load loads.
IMAGES ?= $(IMG)

$(KIND): $(wildcard hack/kind/cluster/*.go) hack/kind/cluster/go.mod hack/kind/cluster/go.sum
	CGO_ENABLED=0 go -C hack/kind/cluster build -o $@ .
	@touch $@

.PHONY: kind-up
kind-up: $(KIND) ## Start a kind cluster, or go on with the one there is; its kubeconfig is bin/kind/kubeconfig.
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

.PHONY: test-e2e
test-e2e: kind-up kube build $(BIN)/kustomize $(BIN)/ginkgo ## Run everything on a kind cluster with pods that run (LABELS=smoke: ten minutes); what failed leaves its traces in build/kind.
	@manager=$$(test/kind/images.sh); \
	  TOWPATH_KIND_KUBECONFIG=$(KIND_KUBECONFIG) TOWPATH_KIND_MANAGER=$$manager \
	  $(BIN)/ginkgo -procs=$(PROCS) -timeout=60m --label-filter='$(LABELS)' $(TESTFLAGS) ./test/kind
