SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := $(CURDIR)/bin

# The version comes from VERSION, COMMIT and DATE below, and is the same from a
# tarball or a checkout of another owner, where go's own look into git fails.
# Without grpcnotrace, gRPC links a page of HTML templates, by which the linker must keep every
# exported method of every type: a quarter of the manager, and 20 MB of its memory.
export GOFLAGS := $(GOFLAGS) -buildvcs=false -tags=grpcnotrace

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# The date of the commit, not of the build, so that a build can be repeated.
DATE    ?= $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)

VERSION_PKG := github.com/towpath-dev/towpath/internal/version
LDFLAGS := -s -w -X $(VERSION_PKG).Version=$(VERSION) -X $(VERSION_PKG).Commit=$(COMMIT) -X $(VERSION_PKG).Date=$(DATE)

# The manager's image, and what docker-buildx builds it for and pushes.
IMG ?= towpath:dev
PLATFORMS ?= linux/amd64,linux/arm64
# What deploy installs: a folder of config/overlays, or config/default.
OVERLAY ?=
# Where the image's binary comes from: build compiles it in the image of Go, host takes one that is
# compiled here, which needs no image of others.
BINARY ?= build
DOCKER ?= docker
# The cluster is that of KUBECONFIG.
KUBECTL ?= kubectl
# What uninstall does with what Components run: keep or delete.
WORKLOADS ?= keep
DEFINITIONS ?= keep

# How long each fuzz target runs in test-fuzz, as a number of inputs or a time. By a time, go test fails once in a while with
# "context deadline exceeded" and no input that fails, where the end comes while a worker is asked.
FUZZTIME ?= 1000x
# Further arguments of go test, such as TESTFLAGS="-v -run TestX".
TESTFLAGS ?=

# What a benchmark makes and how often; PROFILE=1 writes profiles of the manager to build/bench.
N ?= 1000
RUNS ?= 3
PROFILE ?=

# What "make manifests generate" writes, and "make verify" compares.
GENERATED := config/crd/bases api/v1alpha1/zz_generated.deepcopy.go docs/reference

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
	  /^[a-z][a-z0-9-]*:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/manager and bin/towpath.
	CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/manager ./cmd/towpath

# One folder for each platform, with all that the image holds, as the Dockerfile looks for it.
.PHONY: host-binaries
host-binaries:
	@platforms='$(PLATFORMS)'; for platform in $${platforms//,/ }; do \
	  echo "building the manager for $$platform"; \
	  CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} \
	    go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/image/$${platform/\//-}/manager ./cmd/manager; \
	  mkdir -p $(BIN)/image/$${platform/\//-}/licenses; \
	  install -m 644 LICENSE $(BIN)/image/$${platform/\//-}/licenses/LICENSE; \
	done
	@go -C hack/tools run ./licences -platforms '$(PLATFORMS)' -texts $(BIN)/image/%/licenses/THIRD_PARTY_LICENSES.txt $(CURDIR) ./cmd/manager

DOCKER_ARGS = --build-arg BINARY=$(BINARY) --build-arg LDFLAGS='$(LDFLAGS)' \
  --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --tag $(IMG)

.PHONY: docker-build
docker-build: PLATFORMS := linux/$(shell go env GOARCH)
docker-build: $(if $(filter host,$(BINARY)),host-binaries) ## Build the manager's image IMG for this machine.
	DOCKER_BUILDKIT=1 $(DOCKER) build $(DOCKER_ARGS) .

.PHONY: docker-buildx
docker-buildx: $(if $(filter host,$(BINARY)),host-binaries) ## Build the manager's image IMG for PLATFORMS, and push it.
	$(DOCKER) buildx build --platform $(PLATFORMS) --push $(DOCKER_ARGS) .

.PHONY: chart
chart: $(BIN)/kustomize ## Make the Helm chart build/chart/towpath of config, for the image VERSION.
	@$(BIN)/kustomize build config/overlays/monitoring | go -C hack/chart run . \
	  -files $(CURDIR)/config/chart -version '$(VERSION)' -out $(CURDIR)/build/chart/towpath
	@echo build/chart/towpath

# Where a release's image is, such as registry.example/towpath/manager: manifests and chart of a release name it there.
# PUSH=1 pushes it there too, as whom docker login has signed in.
REPOSITORY ?=
PUSH ?=

# What a release is asked for is looked at before anything is compiled, also where make does several things at once: hence by
# another make, and not by prerequisites.
release_arguments = VERSION='$(VERSION)' DATE='$(DATE)' PLATFORMS='$(PLATFORMS)' CLI_PLATFORMS='$(CLI_PLATFORMS)' \
  REPOSITORY='$(REPOSITORY)' PUSH='$(PUSH)' KEY='$(KEY)' KEYLESS='$(KEYLESS)' RELEASE_URL='$(RELEASE_URL)'

.PHONY: release-image
release-image: ## Make the manager's image for PLATFORMS in build/image, without Docker; PUSH=1 pushes it to REPOSITORY.
	@$(release_arguments) hack/release/check.sh
	@$(MAKE) --no-print-directory host-binaries
	@go -C hack/release run ./image -binaries $(BIN)/image -platforms '$(PLATFORMS)' -version '$(VERSION)' \
	  -revision '$(COMMIT)' -created '$(DATE)' -out $(CURDIR)/build/image $(if $(PUSH),-push '$(REPOSITORY):$(VERSION)')

# What a release consists of. The same commit gives the same files. The CLI is for all platforms that .goreleaser.yaml names, or for
# those alone of them that stand here, such as CLI_PLATFORMS="linux/amd64 darwin/arm64".
RELEASE := build/release
CLI_PLATFORMS ?=
# An ECDSA or RSA key in PEM that signs; KEYLESS=1 signs without one, by cosign, as the workflow that this runs in.
# docs/release.md says how both are checked.
KEY ?=
KEYLESS ?=
# Where the files of this version are downloaded: krew's manifest names it. Without it, this repository's releases on GitHub.
RELEASE_URL ?=

.PHONY: release-files
release-files: ## Make build/release: CLI, manager, image, chart, manifests, SBOMs, checksums, krew manifest; KEY signs.
	@$(release_arguments) hack/release/check.sh
	@$(MAKE) --no-print-directory release-image chart $(BIN)/goreleaser $(BIN)/sbom
	@$(release_arguments) LDFLAGS='$(LDFLAGS)' BIN='$(BIN)' hack/release/files.sh $(RELEASE)

.PHONY: release-sign
release-sign: export KEY := $(KEY)
release-sign: ## Sign the checksums in build/release with the private key in the file KEY, on another machine than made them.
	@test -n '$(KEY)' || { echo 'KEY names no file with a private key' >&2; exit 1; }
	hack/release/sign.sh $(RELEASE)/checksums.txt $(RELEASE)/checksums.txt.sig

.PHONY: release-check
release-check: $(BIN)/goreleaser ## Have goreleaser judge .goreleaser.yaml.
	$(BIN)/goreleaser check

.PHONY: test-reproducible
test-reproducible: ## Make a release twice, of two clones, and compare (an hour; SHARE_CACHE=1: minutes, and without compiling twice).
	@hack/release/reproducible.sh $(if $(SHARE_CACHE),--share-cache)

# node_modules is made anew only when what it is made of changes.
SITE := hack/docs/site

$(SITE)/node_modules: $(SITE)/package.json $(SITE)/package-lock.json
	npm --prefix $(SITE) ci
	@touch $@

.PHONY: docs-site
docs-site: $(SITE)/node_modules ## Make the site of docs/ in build/docs-site (needs Node.js 20 and npm); a link that leads nowhere fails it.
	npm --prefix $(SITE) run build

.PHONY: demo
demo: kube build ## Run the main job on a local control plane, and leave it up.
	go run ./hack/demo up

# Pods run there, and stages in them; test/kind/images.sh says which images stand for those that cannot be pulled.
.PHONY: demo-kind
demo-kind: kind-up kube build $(BIN)/kustomize ## On a kind cluster: a git push is tested, built and sealed in pods, and runs in dev. Each call pushes once more.
	@manager=$$(test/kind/images.sh) && go run ./hack/demo -kubeconfig $(KIND_KUBECONFIG) -manager $$manager kind

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
tools: $(BIN)/controller-gen $(BIN)/golangci-lint $(BIN)/actionlint $(BIN)/kustomize $(BIN)/role-covers ## Build the pinned tools into bin/.

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

# Of Debian's package. Tests of checks ask prometheus; those of alerts and dashboards, both.
$(BIN)/prometheus $(BIN)/promtool &: hack/prometheus/fetch.sh
	hack/prometheus/fetch.sh $(BIN) promtool prometheus

# Of Debian's package too. Tests of alerts of budgets send them to it.
$(BIN)/alertmanager: hack/prometheus/fetch.sh
	hack/prometheus/fetch.sh $(BIN) alertmanager

# Of Debian's packages. Tests of the history ask PostgreSQL.
$(BIN)/postgres: hack/postgres/fetch.sh
	hack/postgres/fetch.sh $@
	@touch $@

$(BIN)/govulncheck: hack/tools/go.mod hack/tools/go.sum
	CGO_ENABLED=0 go -C hack/tools build -o $@ golang.org/x/vuln/cmd/govulncheck
	@touch $@

$(BIN)/actionlint: hack/tools/go.mod hack/tools/go.sum
	CGO_ENABLED=0 go -C hack/tools build -o $@ github.com/rhysd/actionlint/cmd/actionlint
	@touch $@

# What a release is made with: a module of its own, for it has more modules than all else. No part of CI: the first build takes
# minutes.
$(BIN)/goreleaser: hack/release/goreleaser/go.mod hack/release/goreleaser/go.sum
	CGO_ENABLED=0 go -C hack/release/goreleaser build -o $@ github.com/goreleaser/goreleaser/v2
	@touch $@

$(BIN)/sbom: hack/release/go.mod hack/release/go.sum $(wildcard hack/release/sbom/*.go)
	CGO_ENABLED=0 go -C hack/release build -o $@ ./sbom
	@touch $@

$(BIN)/golangci-lint: hack/tools/golangci-lint/go.mod hack/tools/golangci-lint/go.sum hack/tools/golangci-lint/main.go
	CGO_ENABLED=0 go -C hack/tools/golangci-lint build -o $@ .
	@touch $@

##@ Installation

APPLY = $(KUBECTL) apply --server-side --field-manager=towpath-install

.PHONY: install
install: ## Install kinds, namespaces, rights and admission policies, without the manager.
	@for part in crd namespaces rbac policy; do $(APPLY) -k config/$$part; done
	$(KUBECTL) wait --for=condition=Established --timeout=1m -f config/crd/bases

# The image is set in a folder of its own: the tree stays as it is.
.PHONY: deploy
deploy: $(BIN)/kustomize ## Install everything, as OVERLAY says (ha, history, restricted, monitoring), with the manager's image IMG, and wait until it runs.
	@mkdir -p $(BIN)/_deploy
	@printf '%s\n' 'resources: [../../config/$(if $(OVERLAY),overlays/$(OVERLAY),default)]' 'sortOptions: {order: fifo}' >$(BIN)/_deploy/kustomization.yaml
	@cd $(BIN)/_deploy && $(BIN)/kustomize edit set image towpath=$(IMG)
	$(BIN)/kustomize build $(BIN)/_deploy | $(APPLY) -f -
	$(KUBECTL) -n towpath-system rollout status deployment/towpath-manager --timeout=5m

.PHONY: catalog
catalog: ## Install the golden paths and environment classes; the manager must run.
	$(APPLY) -f config/catalog/classes $(patsubst %,-f %,$(wildcard config/catalog/*/template.yaml))

# The webhooks first: without a manager they refuse everything.
.PHONY: undeploy
undeploy: ## Remove the manager and its webhooks; all else stays, and workloads run on.
	$(KUBECTL) delete --ignore-not-found validatingwebhookconfigurations towpath-validating
	$(KUBECTL) -n towpath-system delete --ignore-not-found -l app.kubernetes.io/part-of=towpath \
	  deployments,poddisruptionbudgets,services,configmaps,secrets
	$(KUBECTL) -n towpath-system wait --for=delete pods -l app.kubernetes.io/name=towpath-manager --timeout=2m

.PHONY: uninstall
uninstall: build ## Remove all of Towpath but its kinds; workloads run on unless WORKLOADS=delete, kinds go if DEFINITIONS=delete.
	$(BIN)/towpath uninstall --workloads=$(WORKLOADS) --definitions=$(DEFINITIONS) --yes

##@ Development

.PHONY: manifests
manifests: $(BIN)/controller-gen ## Generate the CRDs.
	$(BIN)/controller-gen crd paths=./api/... output:crd:dir=config/crd/bases

.PHONY: generate
generate: $(BIN)/controller-gen docs-reference ## Generate DeepCopy methods and docs/reference.
	$(BIN)/controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...

# Of the definitions, so manifests comes before it; and of the commands, which a package main has: its test writes them.
.PHONY: docs-reference
docs-reference: manifests
	@mkdir -p docs/reference
	go run ./hack/docs/apiref >docs/reference/api.md
	go test -count=1 -run='^TestReference$$' ./cmd/towpath -update

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## Format the code.
	$(BIN)/golangci-lint fmt

.PHONY: vet
vet: ## Run go vet.
	go vet ./...

.PHONY: lint
lint: $(BIN)/golangci-lint $(BIN)/actionlint ## Run the linters.
	$(BIN)/golangci-lint run
	$(BIN)/actionlint -shellcheck= -pyflakes= .github/workflows/*.yml internal/scaffold/testdata/*.yaml

.PHONY: lint-fix
lint-fix: $(BIN)/golangci-lint ## Run the linters, and mend what they can mend.
	$(BIN)/golangci-lint run --fix

.PHONY: vuln
vuln: $(BIN)/govulncheck ## Look for known vulnerabilities (needs the network).
	$(BIN)/govulncheck ./...

.PHONY: test-vuln
test-vuln: $(BIN)/govulncheck ## Show on made-up vulnerabilities that vuln finds what is called, and nothing else (no network).
	@hack/vuln/check.sh $(BIN)/govulncheck

.PHONY: licences
licences: ## Check the licences of all modules that the binaries hold on any platform (-print lists them: go -C hack/tools run ./licences).
	@go -C hack/tools run ./licences -platforms '$(PLATFORMS)' ../.. ./cmd/manager
	@platforms=$$(hack/release/cli-platforms.sh , <.goreleaser.yaml); \
	  go -C hack/tools run ./licences -platforms "$$platforms" ../.. ./cmd/towpath

.PHONY: verify
verify: verify-generated verify-rbac verify-linked licences ## Check that what is generated, or follows from the code, is up to date.
	go mod tidy -diff
	go mod verify

# Each reads all that it depends on, so verify does it for the first one alone.
.PHONY: verify-modules
verify-modules: ## Compare the modules that each module of this repository needs with their checksums.
	@for file in $$(git ls-files go.mod '*/go.mod'); do \
	  dir=$$(dirname $$file); echo "$$dir: $$(go -C $$dir mod verify)"; go -C $$dir mod tidy -diff; \
	done

# By npm, which CI has not: the rules of Backstage as its own package has them, for what the tests of internal/catalog hold in our
# words. Nothing of it is kept.
.PHONY: backstage-schemas
backstage-schemas: ## Hold the entities that towpath makes to Backstage's own rules, by npm.
	rm -rf build/backstage && mkdir -p build/backstage
	cp hack/backstage/package.json hack/backstage/check.mjs build/backstage/
	cd build/backstage && npm install --ignore-scripts --no-audit --no-fund --no-package-lock
	go run ./cmd/towpath new web-service hello -n team-hello --repository https://git.example/hello/hello -o build/backstage/hello
	go run ./cmd/towpath new postgres hello-db -n team-hello -o build/backstage/hello-db
	node build/backstage/check.mjs internal/catalog/testdata/everything.yaml build/backstage/*/catalog-info.yaml

# Compared with a copy rather than with git's index: what counts is that the files
# fit the sources beside them, also where neither is committed yet.
# What keeps every exported method is a call by a name that is not known before it runs; text/template has one.
.PHONY: verify-linked
verify-linked: ## See that the linker may leave out of the manager what it does not use.
	@mkdir -p $(BIN)/_verify
	@CGO_ENABLED=0 go build -ldflags '$(LDFLAGS) -dumpdep' -o $(BIN)/_verify/manager ./cmd/manager 2>$(BIN)/_verify/linked || \
	  { tail -n 20 $(BIN)/_verify/linked >&2; exit 1; }
	@grep -q '^main.main -> ' $(BIN)/_verify/linked || { echo 'The linker no longer says who links what: verify-linked sees nothing.' >&2; exit 1; }
	@if grep '<ReflectMethod>' $(BIN)/_verify/linked | head -n 5 | grep . >&2; then \
	  echo 'The manager calls methods by names that are not known before it runs, so every exported method is linked. Find who links that, and do without.' >&2; \
	  exit 1; \
	fi

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
test-unit: $(BIN)/actionlint $(BIN)/prometheus $(BIN)/promtool $(BIN)/alertmanager $(BIN)/postgres ## Run the tests that need no control plane.
	@packages=$$($(test_packages) | grep -Ev $(starts_cluster) | $(import_path)); \
	  go test -race -shuffle=on $(TESTFLAGS) $$packages
	go -C hack/chart test -shuffle=on $(TESTFLAGS) ./...
	go -C hack/release test -shuffle=on $(TESTFLAGS) ./...
	go -C hack/kind/cluster test -shuffle=on $(TESTFLAGS) ./...
	go -C hack/tools test -shuffle=on $(TESTFLAGS) ./licences

.PHONY: test-alerts
test-alerts: $(BIN)/promtool ## Check and test alerts and dashboards; a part of test-unit.
	go test -count=1 $(TESTFLAGS) ./config/monitoring

# node_modules is made anew only when what it is made of changes. Node.js is Debian's package nodejs, or any from 20.
DUCKDB := hack/duckdb

$(DUCKDB)/node_modules: $(DUCKDB)/package.json $(DUCKDB)/package-lock.json
	npm --prefix $(DUCKDB) ci --no-fund --no-audit
	@touch $@

.PHONY: test-duckdb
test-duckdb: export TOWPATH_DUCKDB_REQUIRED := 1
test-duckdb: $(DUCKDB)/node_modules ## Have DuckDB read what towpath cost export writes (needs Node.js 20 and npm).
	go test -count=1 $(TESTFLAGS) ./$(DUCKDB)

# GitHub's own parser, of npm as well.
WORKFLOWS := hack/workflows

$(WORKFLOWS)/node_modules: $(WORKFLOWS)/package.json $(WORKFLOWS)/package-lock.json
	npm --prefix $(WORKFLOWS) ci --no-fund --no-audit
	@touch $@

# Tekton's controller, of its own module, which brings some two hundred others; its admission; and what a step leaves behind.
$(BIN)/tekton-controller: hack/tekton/go.mod hack/tekton/go.sum
	CGO_ENABLED=0 go -C hack/tekton build -ldflags '-s -w' -o $@ github.com/tektoncd/pipeline/cmd/controller
	@touch $@

$(BIN)/tekton-webhook $(BIN)/tekton-termination: $(BIN)/tekton-%: hack/tekton/%/main.go hack/tekton/go.mod hack/tekton/go.sum
	CGO_ENABLED=0 go -C hack/tekton build -ldflags '-s -w' -o $@ ./$*
	@touch $@

.PHONY: test-tekton
test-tekton: ## Have Tekton's own code judge the objects that Towpath makes for it.
	go -C hack/tekton test -count=1 $(TESTFLAGS) ./...

# The controller listens on port 8080 of this machine.
.PHONY: test-tekton-controller
test-tekton-controller: export KUBEBUILDER_ASSETS := $(BIN)/kube/current
test-tekton-controller: export TOWPATH_TEKTON_REQUIRED := 1
test-tekton-controller: kube $(BIN)/tekton-controller $(BIN)/tekton-webhook $(BIN)/tekton-termination ## Have Tekton's own controller run Builds, in pods that end as the suite says (ten minutes to build, once).
	go test -count=1 -timeout=20m $(TESTFLAGS) ./test/integration/tekton

# The controllers of Flux, of their own modules, which bring some hundreds of others. Nothing of CI needs them.
$(BIN)/source-controller $(BIN)/kustomize-controller: $(BIN)/%-controller: hack/flux/%/go.mod hack/flux/%/go.sum
	CGO_ENABLED=0 go -C hack/flux/$* build -ldflags '-s -w' -o $@ github.com/fluxcd/$*-controller
	@touch $@

.PHONY: test-flux
test-flux: export KUBEBUILDER_ASSETS := $(BIN)/kube/current
test-flux: export TOWPATH_FLUX_REQUIRED := 1
test-flux: kube $(BIN)/source-controller $(BIN)/kustomize-controller ## Have Flux's own controllers deliver Releases from a Git server (ten minutes to build, once).
	go test -count=1 -timeout=20m $(TESTFLAGS) ./test/integration/flux

# What of Argo CD delivers, of its own module, which brings some hundreds of others, and a store for it. Nothing of CI needs it.
$(BIN)/argocd: hack/argocd/go.mod hack/argocd/go.sum hack/argocd/main.go
	CGO_ENABLED=0 go -C hack/argocd build -ldflags '-s -w' -o $@ .
	@touch $@

.PHONY: test-argocd
test-argocd: export KUBEBUILDER_ASSETS := $(BIN)/kube/current
test-argocd: export TOWPATH_ARGOCD_REQUIRED := 1
test-argocd: kube $(BIN)/argocd ## Have Argo CD's own programs deliver Releases from a Git server (ten minutes to build, once).
	go test -count=1 -timeout=20m $(TESTFLAGS) ./test/integration/argocd

# What the standard stages run, as it is: some thousand packages, so that the first build takes minutes. Each is in a module of its own.
SUPPLYCHAIN := $(addprefix $(BIN)/,cosign syft grype grype-vulndb buildctl buildkitd)

$(BIN)/cosign: hack/supplychain/cosign/go.mod hack/supplychain/cosign/go.sum
	CGO_ENABLED=0 go -C hack/supplychain/cosign build -o $@ github.com/sigstore/cosign/v3/cmd/cosign
	@touch $@

$(BIN)/syft: hack/supplychain/syft/go.mod hack/supplychain/syft/go.sum
	CGO_ENABLED=0 go -C hack/supplychain/syft build -o $@ github.com/anchore/syft/cmd/syft
	@touch $@

$(BIN)/grype: hack/supplychain/grype/go.mod hack/supplychain/grype/go.sum
	CGO_ENABLED=0 go -C hack/supplychain/grype build -o $@ github.com/anchore/grype/cmd/grype
	@touch $@

$(BIN)/grype-vulndb: hack/supplychain/grype/go.mod hack/supplychain/grype/go.sum hack/supplychain/grype/vulndb/main.go
	CGO_ENABLED=0 go -C hack/supplychain/grype build -o $@ ./vulndb
	@touch $@

$(BIN)/buildctl: hack/supplychain/buildkit/go.mod hack/supplychain/buildkit/go.sum
	CGO_ENABLED=0 go -C hack/supplychain/buildkit build -o $@ github.com/moby/buildkit/cmd/buildctl
	@touch $@

$(BIN)/buildkitd: hack/supplychain/buildkit/go.mod hack/supplychain/buildkit/go.sum
	CGO_ENABLED=0 go -C hack/supplychain/buildkit build -o $@ github.com/moby/buildkit/cmd/buildkitd
	@touch $@

.PHONY: test-supplychain
test-supplychain: export TOWPATH_SUPPLYCHAIN_REQUIRED := 1
test-supplychain: $(SUPPLYCHAIN) ## Have the real cosign, Syft and Grype run the standard stages, and judge what they make.
	go test -count=1 $(TESTFLAGS) ./hack/supplychain

.PHONY: test-workflows
test-workflows: export TOWPATH_WORKFLOWS_REQUIRED := 1
test-workflows: $(WORKFLOWS)/node_modules ## Have GitHub's parser read the workflows that Towpath makes (needs Node.js 20 and npm).
	go test -count=1 $(TESTFLAGS) ./$(WORKFLOWS)

# Suites leave there which rights the manager and the appliers used, and verify-audit compares all of them.
RIGHTS := $(CURDIR)/build/audit

.PHONY: test-integration
test-integration: export KUBEBUILDER_ASSETS := $(BIN)/kube/current
test-integration: export TOWPATH_RIGHTS_DIR := $(RIGHTS)
test-integration: kube $(BIN)/prometheus ## Run the tests that start a control plane, and verify-audit after them.
	@rm -rf $(RIGHTS)
	@packages=$$($(test_packages) | grep -E $(starts_cluster) | $(import_path)); \
	  go test -count=1 -race -shuffle=on -timeout=20m $(TESTFLAGS) $$packages
	@$(MAKE) --no-print-directory verify-audit upgrade-commits

# It needs what test-integration left.
.PHONY: verify-audit
verify-audit: ## Compare the roles with the rights that all suites used.
	@go run ./hack/audit -unused hack/audit/unused.yaml $(RIGHTS)

.PHONY: test-tenancy
test-tenancy: export KUBEBUILDER_ASSETS := $(BIN)/kube/current
test-tenancy: kube ## Play the hostile tenant; a part of test-integration.
	go test -count=1 -race -timeout=10m $(TESTFLAGS) ./test/tenancy

# SEED draws what is drawn; without it, the time does.
SEED ?=

.PHONY: test-fault
test-fault: export KUBEBUILDER_ASSETS := $(BIN)/kube/current
test-fault: export TOWPATH_FAULT := long
test-fault: export TOWPATH_FAULT_SEED := $(SEED)
test-fault: kube ## Have everything fail, as long and as often as it may (half an hour); the short form is a part of test-integration.
	go test -count=1 -timeout=90m -v $(TESTFLAGS) ./test/fault -ginkgo.v

.PHONY: test-upgrade
test-upgrade: export KUBEBUILDER_ASSETS := $(BIN)/kube/current
test-upgrade: export TOWPATH_UPGRADE := long
test-upgrade: export TOWPATH_HISTORY_REQUIRED := 1
test-upgrade: kube ## Upgrade from each version in test/upgrade/versions and back, half-way too; the short form is a part of test-integration.
	go test -count=1 -timeout=60m -v $(TESTFLAGS) ./test/upgrade -ginkgo.v

.PHONY: upgrade-fixtures
upgrade-fixtures: export KUBEBUILDER_ASSETS := $(BIN)/kube/current
upgrade-fixtures: export TOWPATH_UPGRADE_FIXTURES := write
upgrade-fixtures: export TOWPATH_HISTORY_REQUIRED := 1
upgrade-fixtures: kube ## Have each version in test/upgrade/versions make its fixtures, unless it has some.
	go test -count=1 -timeout=60m -v $(TESTFLAGS) ./test/upgrade -ginkgo.focus='stores what fixtures are made of'

# go test does not show why specs of a package that passes were skipped.
.PHONY: upgrade-commits
upgrade-commits:
	@grep -v '^#' test/upgrade/versions | while read -r name commit; do \
	  git cat-file -e "$$commit^{commit}" 2>/dev/null || \
	    echo "NOT TESTED: the upgrade from $$name, since this clone does not have commit $$commit (git fetch --unshallow)"; \
	done

# go test runs one fuzz target of one package at a time.
.PHONY: test-fuzz
test-fuzz: ## Run each fuzz target for FUZZTIME.
	@{ grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' api cmd controllers internal || true; } | sort | \
	  while IFS=: read -r file func; do \
	    go test -run='^$$' -fuzz="^$${func#func }$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=5x "./$${file%/*}" </dev/null; \
	  done

##@ Benchmarks

BENCH = go run ./hack/bench -n $(N) -runs $(RUNS) $(if $(PROFILE),-profile)

.PHONY: bench
bench: kube build ## Measure N Components against a bare client; RUNS=3, PROFILE=1 for profiles.
	$(BENCH) components

.PHONY: bench-ready
bench-ready: kube build ## Measure until N Components are Ready, with simulated nodes.
	$(BENCH) components-ready

.PHONY: bench-fairness
bench-fairness: N := 5000
bench-fairness: kube build ## Measure one team's Components beside another's N=5000 at once, and beside invalid ones.
	$(BENCH) fairness

# How many Teams the Environments are spread over.
TEAMS ?= 200

# How many of these fall asleep at the same minute, and wake (500 at most unless set), and over how long their class spreads that;
# NODES=1 runs controllers and simulated nodes too.
SLEEPERS ?=
SPREAD ?=
NODES ?=

.PHONY: bench-environments
bench-environments: kube build ## Measure TEAMS=200 Teams with N=1000 Environments, until all are Ready, and SLEEPERS=500 asleep at once.
	$(BENCH) -teams $(TEAMS) $(if $(SLEEPERS),-sleepers $(SLEEPERS)) $(if $(SPREAD),-spread $(SPREAD)) $(if $(NODES),-nodes) environments

.PHONY: bench-cost
bench-cost: bench-estimates bench-forecast bench-focus ## Measure estimates, forecasts and the import of bills.

.PHONY: bench-estimates
bench-estimates: ## Measure the estimate of 10,000 Components, and all else of internal/cost.
	go test -run='^$$' -bench=. -benchmem ./internal/cost/...

.PHONY: bench-forecast
bench-forecast: ## Measure forecasts and anomalies of 1,000 series of 400 days.
	go test -run='^$$' -bench='^BenchmarkThousandSeries$$' -benchtime=5x -benchmem ./internal/forecast

# Other seeds than the report's: BACKTEST="-first 1001" for development.
BACKTEST ?=

.PHONY: backtest
backtest: ## Measure how good forecasts and anomalies are, on series whose truth is known; fails where docs/forecast.md promises more.
	go run ./hack/backtest $(BACKTEST)

.PHONY: bench-delivery
bench-delivery: ## Measure a commit to a Git repository of 10,000 files, by a real server.
	go test -run='^$$' -bench='^BenchmarkCommit$$' -benchtime=20x -benchmem ./internal/delivery/remote

# How many rows the bill has, and where the bills are made and kept; without it they are deleted.
ROWS ?= 1000000
BILLS ?=
.PHONY: bench-focus
bench-focus: ## Measure how fast a bill of ROWS=1000000 is read as CSV, gzip and Parquet, and in how much memory; RUNS=3.
	go run ./hack/bench-cost -rows $(ROWS) -runs $(RUNS) $(if $(BILLS),-dir $(BILLS)) $(if $(PROFILE),-cpuprofile $(CURDIR)/build/bench/focus)

include hack/kind/kind.mk
