# Tributary. `make` alone lists what can be made.

SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.tools/bin:$(PATH)

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Where cargo puts what it builds for the machine that it runs on: see .cargo/config.toml.
HOST = $(shell rustc -vV | sed -n "s/^host: //p")
COUNT ?=
SEED ?=
SCALE ?=
BENCH ?= all
VIEW_BENCHES := shop-5 long-history add-view point-queries
TRACE_BENCHES := tracing traced-orders
BENCH_TARGET = $(if $(filter $(VIEW_BENCHES),$(BENCH)),shop5,$(if $(filter $(TRACE_BENCHES),$(BENCH)),tracing,mesh))

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  COUNT and SEED choose how often and from where a soak draws, SCALE how much it loads;'
	@echo '  BENCH=name runs one benchmark.'

.PHONY: run
run: build ## Build and start the shop: six services and the query gateway; Ctrl-C ends it
	@./tributary up || { status=$$?; [ $$status = 130 ] || exit $$status; }

.PHONY: build
build: prerequisites
	@cargo build --locked --bins
	@ln -sfn "$(TARGET)/$(HOST)/debug/tributary" tributary

.PHONY: test
test: tools ## Run every test
	@.ci/test

.PHONY: check
check: tools ## Format, lints, documentation, licences and sources
	@.ci/check

.PHONY: bench
bench: prerequisites ## Measure the mesh, views under load, and what tracing costs: BENCH=
	@cargo build --release --locked --bins
	@BENCH="$(BENCH)" cargo bench --locked -p mesh-tests $(if $(filter-out all,$(BENCH)),--bench $(BENCH_TARGET),--bench mesh --bench shop5 --bench tracing)

.PHONY: images
images: ## Build an image of each program: TAG=, PREBUILT=DIR of programs
	@k8s/images

.PHONY: soak-kill
soak-kill: build ## Kill processes under load and audit the mesh: COUNT= SEED=
	@COUNT="$(or $(COUNT),200)" $(if $(SEED),SEED="$(SEED)") cargo test --locked -p mesh-tests --test fault_kill -- --nocapture

.PHONY: soak-load
soak-load: build ## Load TPC-H, interrupted at random, and hold the insights to the generator: SCALE= SEED=
	@SCALE="$(or $(SCALE),0.01)" $(if $(SEED),SEED="$(SEED)") cargo test --locked -p mesh-tests --test e2e_load -- --nocapture

.PHONY: soak-containers
soak-containers: build tools ## Kill, pause and cut off containers under load, and audit the mesh: COUNT= SEED=
	@COUNT="$(or $(COUNT),100)" $(if $(SEED),SEED="$(SEED)") cargo test --locked -p mesh-tests --test e2e_containers -- --nocapture whatever_is_killed

.PHONY: soak-outbox
soak-outbox: prerequisites ## Random commands, crashes and page sizes against all stores: COUNT= SEED=
	@COUNT="$(or $(COUNT),200)" CRASHES="$(or $(COUNT),200)" $(if $(SEED),SEED="$(SEED)") \
		cargo test --locked -p tributary-chassis --lib -- --nocapture \
		writers_make_one_gapless_history a_store_survives_many_crashes \
		steps_and_calls_share_groups a_follower_survives_many_crashes wherever_it_is_cut_off \
		instances_make_one_gapless_history

.PHONY: soak-instances
soak-instances: build tools ## Kill instances of orders that share one PostgreSQL database under load: COUNT= SEED=
	@COUNT="$(or $(COUNT),200)" $(if $(SEED),SEED="$(SEED)") cargo test --locked -p mesh-tests --test fault_instances -- --nocapture

.PHONY: soak-gateways
soak-gateways: build tools ## Kill and stop gateways that share one read model under load: COUNT= SEED=
	@COUNT="$(or $(COUNT),50)" $(if $(SEED),SEED="$(SEED)") cargo test --locked -p mesh-tests --test fault_gateways -- --nocapture --test-threads=1

.PHONY: soak-feed
soak-feed: prerequisites ## Random schedules of append, notify, disconnect and prune: COUNT= SEED=
	@COUNT="$(or $(COUNT),10000)" $(if $(SEED),SEED="$(SEED)") \
		cargo test --locked -p tributary-chassis --lib -- --nocapture the_feed_is_contiguous_whatever_happens

.PHONY: soak-gateway
soak-gateway: prerequisites ## Random histories, snapshots, messages and statements against the gateway: COUNT= SEED=
	@COUNT="$(or $(COUNT),1000)" $(if $(SEED),SEED="$(SEED)") cargo test --locked -p query-gateway --lib -- --nocapture \
		wire_and_message every_prefix_of a_snapshot_under_load what_compiles_runs

.PHONY: soak-saga
soak-saga: build ## Random orders, each with the faults, kills and cancellations drawn for it: COUNT= SEED=
	@COUNT="$(or $(COUNT),1000)" $(if $(SEED),SEED="$(SEED)") cargo test --locked -p orders --test saga -- --nocapture random::
	@COUNT="$(or $(COUNT),1000)" $(if $(SEED),SEED="$(SEED)") cargo test --locked -p mesh-tests --test fault_saga -- --nocapture drawn_faults

.PHONY: soak-shop
soak-shop: build ## Kill processes while load shop runs; its own ledger must agree: COUNT= SEED=
	@COUNT="$(or $(COUNT),200)" $(if $(SEED),SEED="$(SEED)") cargo test --locked -p mesh-tests --test fault_shop -- --nocapture whatever_is_killed

.PHONY: soak-views
soak-views: tools ## Random tables, views and changes, each view compared with PostgreSQL: COUNT= SEED=
	@COUNT="$(or $(COUNT),10000)" $(if $(SEED),SEED="$(SEED)") \
		cargo test --locked -p query-gateway --lib -- --nocapture views_equal_postgresql

.PHONY: soak-views-kill
soak-views-kill: build ## Kill the gateway while views are filled and replaced under load, on both stores: COUNT= SEED=
	@COUNT="$(or $(COUNT),200)" $(if $(SEED),SEED="$(SEED)") cargo test --locked -p mesh-tests --test fault_views --test fault_views_on_postgres -- --nocapture

.PHONY: soak-tpch
soak-tpch: build tools ## TPC-H in its official text as views, each compared with PostgreSQL: SCALE= COUNT= SEED=
	@COUNT="$(or $(COUNT),40)" SCALE="$(or $(SCALE),0.01)" $(if $(SEED),SEED="$(SEED)") \
		cargo test --locked -p mesh-tests --test e2e_tpch -- --nocapture

.PHONY: kind-up
kind-up: ## Run the mesh on a Kubernetes cluster of this machine, by kind, with Jaeger: OVERLAY=postgres
	@MAKE="$(MAKE)" $(if $(OVERLAY),OVERLAY="$(OVERLAY)") k8s/kind-up

.PHONY: kind-down
kind-down: ## End that cluster, with everything in it
	@k8s/kind-down

.PHONY: tools
tools: prerequisites ## Install what the tests and checks call (into .tools), PostgreSQL and Docker Engine (by apt-get)
	@.ci/tools

.PHONY: prerequisites
prerequisites:
	@.ci/prerequisites
