# Everything a checkout can do, each target with its purpose: make help.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

CLI := node dist/local/cli.js
installed := node_modules/.package-lock.json

.PHONY: help up down status clean env check images demo test build

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { gsub(/\$$\$$/, "$$"); printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: build ## Bring up Kubernetes with snapshot storage, Pulumi and the images; does only what is missing
	@$(CLI) up

down: build ## End the cluster and remove it from this machine; its data stays for the next up
	@$(CLI) down

status: build ## Show what runs, since when, and what is wrong
	@$(CLI) status

clean: build ## End the cluster and remove its data; with ALL=1 everything that was built too
	@$(CLI) clean $(if $(ALL),--all)

env: build ## Print the variables for your shell: eval "$$(make -s env)"
	@$(CLI) env

check: build ## Say whether the cluster has all the program needs (STATEFUL_CD_CONTEXT for your own)
	@$(CLI) check

images: build ## Build the images anew where something changed, and give them to the cluster
	@$(CLI) images

demo: up ## The whole story: production, a change, staging on a clone, and back, under load
	@node dist/demo/main.js

test: up ## Run all three rings of tests: unit, provider, cluster
	@$(CLI) browser
	@node dist/tests/run.js

build: $(installed)
	@node build.js

# Node is asked first: an old one fails in npm with words that help nobody.
$(installed): package-lock.json
	@node -e 'if (Number(process.versions.node.split(".")[0]) < 20) { console.error("Node 20 or later is needed; this is " + process.version + "\n  Next: install it, then make again"); process.exit(1); }'
# Standard output is for what was asked: a shell runs what `make env` prints.
	npm ci --no-audit --no-fund >&2
	@touch $(installed)
