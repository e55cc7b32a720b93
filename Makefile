SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := $(CURDIR)/bin

# The version comes from VERSION, COMMIT and DATE below, and is the same from a
# tarball or a checkout of another owner, where go's own look into git fails.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# The date of the commit, not of the build, so that a build can be repeated.
DATE    ?= $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)

VERSION_PKG := github.com/towpath-dev/towpath/internal/version
LDFLAGS := -s -w -X $(VERSION_PKG).Version=$(VERSION) -X $(VERSION_PKG).Commit=$(COMMIT) -X $(VERSION_PKG).Date=$(DATE)

# How long each fuzz target runs in test-fuzz.
FUZZTIME ?= 5s
# Further arguments of go test, such as TESTFLAGS="-v -run TestX".
TESTFLAGS ?=

# What "make manifests generate" writes, and "make verify" compares.
GENERATED := config/crd/bases api/v1alpha1/zz_generated.deepcopy.go

# Tests that start a control plane are integration tests. They are found by what
# they import, directly or not, so that no list of packages can go stale. The list
# is assigned to a variable first: only then does a failing go list fail the target.
test_packages  = go list -test -f '{{if eq .Name "main"}}{{.ImportPath}} {{join .Deps " "}} {{end}}' ./... | grep -E '^[^ ]+\.test '
starts_cluster = ' (sigs.k8s.io/controller-runtime/pkg/envtest|github.com/towpath-dev/towpath/hack/controlplane) '
import_path    = sed 's/\.test .*//'

##@ General

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z][a-z-]*:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/manager and bin/towpath.
	CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/manager ./cmd/towpath

.PHONY: demo
demo: kube build ## Run the main job on a local control plane, and leave it up.
	go run ./hack/demo up

.PHONY: demo-down
demo-down: ## End what demo left up.
	go run ./hack/demo down

.PHONY: clean
clean: ## Remove everything that was built.
	rm -rf $(BIN)

##@ Tools

.PHONY: kube
kube: ## Build the local control plane into bin/kube (once; ten minutes).
	@hack/kube/build.sh

.PHONY: tools
tools: $(BIN)/controller-gen $(BIN)/golangci-lint $(BIN)/kustomize $(BIN)/role-covers ## Build the pinned tools into bin/.

# Built anew only when the pinned versions change.
$(BIN)/controller-gen: hack/tools/go.mod hack/tools/go.sum
	CGO_ENABLED=0 go -C hack/tools build -o $@ sigs.k8s.io/controller-tools/cmd/controller-gen
	@touch $@

$(BIN)/kustomize: hack/tools/go.mod hack/tools/go.sum
	CGO_ENABLED=0 go -C hack/tools build -o $@ sigs.k8s.io/kustomize/kustomize/v5
	@touch $@

$(BIN)/role-covers: hack/tools/go.mod hack/tools/go.sum hack/tools/role-covers/main.go
	CGO_ENABLED=0 go -C hack/tools build -o $@ ./role-covers
	@touch $@

$(BIN)/govulncheck: hack/tools/go.mod hack/tools/go.sum
	CGO_ENABLED=0 go -C hack/tools build -o $@ golang.org/x/vuln/cmd/govulncheck
	@touch $@

$(BIN)/golangci-lint: hack/tools/golangci-lint/go.mod hack/tools/golangci-lint/go.sum hack/tools/golangci-lint/main.go
	CGO_ENABLED=0 go -C hack/tools/golangci-lint build -o $@ .
	@touch $@

##@ Development

.PHONY: manifests
manifests: $(BIN)/controller-gen ## Generate the CRDs.
	$(BIN)/controller-gen crd paths=./api/... output:crd:dir=config/crd/bases

.PHONY: generate
generate: $(BIN)/controller-gen ## Generate DeepCopy methods.
	$(BIN)/controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## Format the code.
	$(BIN)/golangci-lint fmt

.PHONY: vet
vet: ## Run go vet.
	go vet ./...

.PHONY: lint
lint: $(BIN)/golangci-lint ## Run the linters.
	$(BIN)/golangci-lint run

.PHONY: lint-fix
lint-fix: $(BIN)/golangci-lint ## Run the linters, and mend what they can mend.
	$(BIN)/golangci-lint run --fix

.PHONY: vulncheck
vulncheck: $(BIN)/govulncheck ## Look for known vulnerabilities (needs the network).
	$(BIN)/govulncheck ./...

.PHONY: verify
verify: verify-generated verify-rbac ## Check that what is generated, or follows from the code, is up to date.
	go mod tidy -diff

# Compared with a copy rather than with git's index: what counts is that the files
# fit the sources beside them, also where neither is committed yet.
.PHONY: verify-generated
verify-generated: $(BIN)/controller-gen
	@rm -rf $(BIN)/_verify && mkdir -p $(BIN)/_verify
	@cp -r --parents $(GENERATED) $(BIN)/_verify/
	@$(MAKE) --no-print-directory manifests generate
	@stale=0; for path in $(GENERATED); do diff -ruN $(BIN)/_verify/$$path $$path || stale=1; done; \
	  if [[ $$stale == 1 ]]; then echo "generated files were not up to date: commit what was just written"; exit 1; fi

# The roles in config/rbac are written by hand, with reasons; the markers in the code
# say what it needs. A right that is missing shows here, not in a cluster.
.PHONY: verify-rbac
verify-rbac: $(BIN)/controller-gen $(BIN)/role-covers
	@mkdir -p $(BIN)/_verify
	$(BIN)/controller-gen rbac:roleName=towpath-manager paths=./controllers/... paths=./cmd/... paths=./internal/... \
	  output:rbac:dir=$(BIN)/_verify
	$(BIN)/role-covers $(BIN)/_verify/role.yaml config/rbac/manager.yaml

##@ Test

.PHONY: test
test: ## Run everything that CI checks.
	@for stage in lint verify test-unit test-fuzz test-integration; do \
	  echo "=== $$stage"; SECONDS=0; \
	  $(MAKE) --no-print-directory $$stage; \
	  echo "=== $$stage passed in $${SECONDS}s"; \
	done

.PHONY: test-unit
test-unit: ## Run the tests that need no control plane.
	@packages=$$($(test_packages) | grep -Ev $(starts_cluster) | $(import_path)); \
	  go test -race -shuffle=on $(TESTFLAGS) $$packages

.PHONY: test-integration
test-integration: export KUBEBUILDER_ASSETS := $(BIN)/kube/current
test-integration: kube ## Run the tests that start a control plane.
	@packages=$$($(test_packages) | grep -E $(starts_cluster) | $(import_path)); \
	  go test -race -shuffle=on -timeout=20m $(TESTFLAGS) $$packages

# go test runs one fuzz target of one package at a time.
.PHONY: test-fuzz
test-fuzz: ## Run each fuzz target for FUZZTIME.
	@{ grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' api cmd controllers internal || true; } | sort | \
	  while IFS=: read -r file func; do \
	    go test -run='^$$' -fuzz="^$${func#func }$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=5x "./$${file%/*}" </dev/null; \
	  done
