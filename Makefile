# Everything a newcomer needs: `make run` to see it work, `make test` to prove it.

.DEFAULT_GOAL := help
.PHONY: help run test peers bench image image-test

CARGO ?= cargo
# docker or podman; the latter needs Docker's format for the health check.
ENGINE ?= docker
ENGINE_OPTIONS ?= $(if $(findstring podman,$(ENGINE)),--format docker)

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1  \t\2/p' $(MAKEFILE_LIST)

run: ## build, then start the five-minute tour and print its addresses
	$(CARGO) build --release
	$(CARGO) run --quiet --release -- demo

test: peers ## bring in missing peers, then format check, lints and all tests
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) test

peers: ## bring in the mail programs and the browser of the tests (unpacked under target/, nothing installed)
	@scripts/peers.sh

bench: ## measure beside Postfix and straight source-to-sink: medians of three, as ratios
	$(CARGO) build --release
	@scripts/peers.sh --bench
	bench/relay.sh

image: ## build the container image with docker, or with what ENGINE says
	$(ENGINE) build $(ENGINE_OPTIONS) --tag fastpath .

image-test: ## build the image without any registry and put containers of it through their life (root, Debian)
	@scripts/image_test.sh
