# The commands of this project. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ARGS ?=
CARGO_DENY_VERSION := 0.20.2
FUZZ_SECONDS ?= 300
SEEDS ?= 10000
FROM ?= 0
TIMES ?= 20

# One page stands for the whole bundle: all are built at once, and make deletes it if a build fails.
WEB_BUNDLE := web/dist/console.html
# The schema too: the types of the console's operations are made from it.
WEB_SOURCES := schema.graphql $(filter-out web/console/generated%, \
	$(wildcard web/*.js web/*.json web/*.html web/graphiql/* web/rest/* web/console/* web/console/*/*))
# Kept inside node_modules, so that deleting the folder also deletes the belief that it is there.
WEB_MODULES := web/node_modules/.colloquy-stamp
CLIENT_MODULES := tests/clients/node_modules/.colloquy-stamp
EXAMPLE_MODULES := examples/typescript/node_modules/.colloquy-stamp

NPM_CI := npm ci --no-audit --no-fund

.PHONY: help run test lint check bench simulate tries fuzz schema released-schema types web fmt clean require-npm

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 12

run: web ## Run the server with everything built in: no MongoDB, Redis or Docker (options: ARGS="...")
	cargo run --release --locked -- $(ARGS)

test: web $(CLIENT_MODULES) $(EXAMPLE_MODULES) ## Run every test, against a real MongoDB and Redis, real clients, a real browser and a real llama.cpp
	cd web && npm test
	llama=$$(scripts/ensure-llama.sh) && export COLLOQUY_TEST_LLAMA=$$llama && \
	websockets=$$(scripts/ensure-websockets.sh) && export COLLOQUY_TEST_WEBSOCKETS_PYTHON=$$websockets && \
	gql=$$(scripts/ensure-gql.sh) && export COLLOQUY_TEST_GQL_PYTHON=$$gql && \
	shipping=$$(scripts/ensure-shipping.sh) && export COLLOQUY_TEST_SHIPPING=$$shipping && \
	scripts/ensure-curl.sh && \
	nginx=$$(scripts/ensure-nginx.sh) && export COLLOQUY_TEST_NGINX=$$nginx && \
	redis=$$(scripts/ensure-redis.sh) && export COLLOQUY_TEST_REDIS=$$redis && \
	chromium=$$(scripts/ensure-chromium.sh) && export COLLOQUY_TEST_CHROMIUM=$$chromium && \
	scripts/with-mongod.sh cargo test --locked

lint: web ## Check the format, and what clippy says
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings

check: lint ## Everything that must pass before a change is merged
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --locked
	$(MAKE) test
	cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked
	cargo deny check bans licenses sources
	@if timeout 120 cargo deny fetch db >/dev/null 2>&1; then cargo deny check advisories; \
	else echo "The advisories were not checked: their database cannot be reached from here."; fi

bench: web ## Measure the server under load (docs/performance.md), and what else is promised of costs (docs/benchmarks.md)
	redis=$$(scripts/ensure-redis.sh) && export COLLOQUY_TEST_REDIS=$$redis && \
	scripts/with-mongod.sh cargo bench --locked

simulate: web ## Run SEEDS histories of several servers that fail, from the seed FROM on (docs/simulation.md)
	COLLOQUY_SIMULATE_SEEDS=$(SEEDS) COLLOQUY_SIMULATE_FROM=$(FROM) cargo test --profile simulate --lib --locked \
		simulation::tests::no_seed_breaches_what_must_hold -- --nocapture --exact

tries: web ## Run the tests of exchanges with TIMES as many tries of each coincidence, on a build as quick as a release
	redis=$$(scripts/ensure-redis.sh) && export COLLOQUY_TEST_REDIS=$$redis && export COLLOQUY_TEST_TIMES=$(TIMES) && \
	scripts/with-mongod.sh cargo test --profile simulate --test it --locked exchanges:: -- --nocapture --test-threads 1

fuzz: ## Fuzz the decoders, FUZZ_SECONDS for each: needs a nightly toolchain and cargo-fuzz (docs/fuzzing.md)
	cd fuzz && for target in cursors event_stream graphql_message mt_client_frame rest_body token; do \
		mkdir -p corpus/$$target && \
		cargo +nightly fuzz run $$target corpus/$$target seeds/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -dict=fields.dict; \
	done

# By way of a second file, because a failed build would leave an empty schema behind.
schema: web ## Write schema.graphql from the code
	cargo run --locked -- schema > schema.graphql.new
	mv schema.graphql.new schema.graphql

released-schema: ## Let the schema as it is now be what later ones are held to (with each release, or to break clients knowingly)
	cp schema.graphql tests/released/schema.graphql

# Of a schema that was changed, what the examples in TypeScript are checked with.
types: $(EXAMPLE_MODULES) ## Write examples/typescript/operations.ts from schema.graphql
	cd examples/typescript && npm run generate

web: $(WEB_BUNDLE) ## Build the pages into web/dist, if their sources have changed

fmt: ## Format the code
	cargo fmt

# Not data/, which is somebody's conversations, and not .cache/, which is a long download.
clean: ## Delete what was built
	cargo clean
	rm -rf fuzz/target
	rm -rf web/dist web/node_modules tests/clients/node_modules examples/typescript/node_modules

$(WEB_BUNDLE): $(WEB_MODULES) $(WEB_SOURCES)
	cd web && npm run build
	@touch $@

$(WEB_MODULES): web/package-lock.json web/.npmrc | require-npm
	cd web && $(NPM_CI)
	@touch $@

$(CLIENT_MODULES): tests/clients/package-lock.json tests/clients/.npmrc | require-npm
	cd tests/clients && $(NPM_CI)
	@touch $@

$(EXAMPLE_MODULES): examples/typescript/package-lock.json examples/typescript/.npmrc | require-npm
	cd examples/typescript && $(NPM_CI)
	@touch $@

require-npm:
	@command -v npm >/dev/null || { echo "Node.js 20.19 or later with npm is needed for this step." >&2; exit 1; }
