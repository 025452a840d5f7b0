# The commands of the repository. `make help` lists them.

CARGO ?= cargo
# Where rustup puts it; under sudo and in fresh shells it may not be on the path.
export PATH := $(HOME)/.cargo/bin:$(PATH)
# Given on to the program or the tests: make demo ARGS=--keep, make test ARGS=ranks::
ARGS ?=

.PHONY: help demo test check bench pages prerequisites demo-prerequisites cargo
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 16

demo: demo-prerequisites ## an invented practice, a private warehouse and the service on top; first time: some minutes of building
	@echo "demo: building (a few minutes the first time, then seconds)"
	$(CARGO) build --release --locked
	@exec $(CARGO) run --quiet --release --locked -- demo $(ARGS)

test: prerequisites ## the whole suite, on real servers of its own
	$(CARGO) test --locked -- $(ARGS)

check: prerequisites ## format, lints, the code's own pages, licences, scripts
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps --document-private-items --locked
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	  $(CARGO) deny --locked check licenses bans sources; \
	else \
	  echo "check: cargo-deny is not installed; what crates say of their licences and sources is held by make test, their files are NOT read (cargo install cargo-deny --locked)"; \
	fi
	@for script in scripts/* .ci/run; do bash -n "$$script" || exit 1; done; echo "check: scripts parse"

bench: prerequisites ## how fast, against the floor of this machine
	$(CARGO) bench --locked -- $(ARGS)

pages: cargo ## write the pages that are made from the program
	AMALGAM_TEST_REWRITE=1 $(CARGO) test --locked --test it -- types_page::

prerequisites: cargo
	@scripts/prerequisites

# Who only wants to see it needs no tools of the tests.
demo-prerequisites: cargo
	@scripts/prerequisites demo

cargo:
	@command -v $(CARGO) >/dev/null || { echo "prerequisites: cargo isn't found; install Rust from https://rustup.rs"; exit 1; }
