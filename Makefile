# The only list of commands. `make help` prints it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: run test lint fmt bench help ui prepare check-rust check-ui e2e

CONFIG ?= observability
DATA   ?= data
LISTEN ?= 127.0.0.1:3000
# Arguments of `make bench`: --quick, --series N, --minutes N, --only NAME,NAME.
BENCH  ?=
# Megabytes of log lines that `make bench` pushes.
LOG_MEGABYTES ?= 2000
CACHE  ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/afferent
PEERS  ?= $(CACHE)/peers
TARGET := $(or $(CARGO_TARGET_DIR),target)

export AFFERENT_PEERS := $(PEERS)
export CHROMIUM ?= /usr/bin/chromium

run: ## build the product and start it: http://127.0.0.1:3000
	@scripts/prepare build
	@$(MAKE) --no-print-directory ui
	cargo build --release -p afferent
	exec $(TARGET)/release/afferent serve --config $(CONFIG) --data $(DATA) --listen $(LISTEN)

test: ## everything that CI checks: format, lints, unit, integration, differential and browser tests
	@scripts/prepare build browser peers
	@$(MAKE) --no-print-directory ui
	@$(MAKE) --no-print-directory check-ui
	@$(MAKE) --no-print-directory check-rust
	@$(MAKE) --no-print-directory e2e

lint: ## formatting and lints, without tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cd ui && npm run --silent lint && npm run --silent typecheck

fmt: ## format all code
	cargo fmt --all
	cd ui && npm run --silent format

bench: ## measure against the peers in one run and print ratios
	@scripts/prepare build peers
	@$(MAKE) --no-print-directory ui
	cargo build --release -p afferent -p bench
	$(TARGET)/release/bench peers $(BENCH)
	$(TARGET)/release/bench logs --megabytes $(LOG_MEGABYTES)

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

# --- parts of the above

ui: ui/dist/index.html

# A stamp of the lock file spares `npm ci` when nothing changed.
ui/node_modules/.stamp: ui/package-lock.json
	cd ui && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

ui/dist/index.html: ui/node_modules/.stamp $(shell find ui/src ui/public ui/index.html ui/vite.config.ts ui/tsconfig.json -type f 2>/dev/null)
	cd ui && npm run --silent build
	@touch $@

check-ui: ui/node_modules/.stamp
	cd ui && npm run --silent lint && npm run --silent typecheck && npm run --silent test

check-rust:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace

e2e:
	cargo build -p afferent
	cd ui && AFFERENT_BIN=$(abspath $(TARGET))/debug/afferent npm run --silent e2e
