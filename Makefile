# Everything a newcomer needs: `make run` to see it work, `make test` to prove it.

.DEFAULT_GOAL := help
.PHONY: help run test peers bench image image-test

CARGO ?= cargo
# docker or podman; the latter needs Docker's format for the health check.
ENGINE ?= docker
ENGINE_OPTIONS ?= $(if $(findstring podman,$(ENGINE)),--format docker)

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' $(MAKEFILE_LIST) | while read -r target words; do printf '  make %-11s %s\n' "$$target" "$$words"; done

run: ## build Fastpath, then start the five-minute tour
	@echo "Building. The first time, with everything that Fastpath depends on, takes about four minutes on two cores;"
	@echo "later it is seconds. This build is for a look around: what is shipped, and measured, is 'make image', 'make bench'."
	$(CARGO) build --locked
	$(CARGO) run --quiet --locked -- demo

test: peers ## fetch missing peers, then check format and lints and run all tests
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) test

peers: ## fetch the mail programs and the browser for the tests, unpacked under target/peers; nothing is installed
	@scripts/peers.sh

bench: ## measure the throughput beside Postfix and beside source-to-sink without a relay (root)
	$(CARGO) build --release
	@scripts/peers.sh --bench
	bench/relay.sh

image: ## build the container image with docker, or with ENGINE=podman
	$(ENGINE) build $(ENGINE_OPTIONS) --tag fastpath .

image-test: ## build the image without a registry and test containers of it (root, Debian)
	@scripts/image_test.sh
