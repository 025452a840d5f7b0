# The commands of the repository. `make help` lists them.

CARGO ?= cargo
# Where rustup puts it; under sudo and in fresh shells it may not be on the path.
export PATH := $(HOME)/.cargo/bin:$(PATH)
# Given on to the program or the tests: make demo ARGS=--keep, make test ARGS=ranks::
ARGS ?=
# The suite is built once, with all there is; what is handed out, shown and measured has not all of it (docs/adr/0020).
ALL := --features otel

.PHONY: help demo test differential nightly fuzz check bench deb pages prerequisites demo-prerequisites cargo
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 16

demo: demo-prerequisites ## an invented practice, a private warehouse and the service on top; first time: some minutes of building
	@echo "demo: building (a few minutes the first time, then seconds)"
	$(CARGO) build --release --locked
	@exec $(CARGO) run --quiet --release --locked -- demo $(ARGS)

test: prerequisites ## the whole suite, on real servers of its own
	$(CARGO) test $(ALL) --locked -- $(ARGS)

differential: prerequisites ## dbt projects by dbt-core and by Amalgam, compared; wants Python; ARGS=own::snapshots for one of them
	AMALGAM_DIFFERENTIAL=1 $(CARGO) test $(ALL) --locked --test it -- differential::$(ARGS) --nocapture

# How many months of outages are lived through, each another one.
MONTHS ?= 10

nightly: prerequisites ## what takes hours: 10,000 random histories, cells by the million against PostgreSQL, months of outages
	TIMETABLES=100000 $(CARGO) test $(ALL) --locked --test it -- timetables::
	@for month in $$(seq $(MONTHS)); do \
	  MONTH_HARDER=1 MONTH_SEED=$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ') \
	    $(CARGO) test $(ALL) --locked --test it -- orchestrator::month:: || exit 1; \
	done
	CELLS=10000 $(CARGO) test $(ALL) --locked --test it -- encoder::
	HISTORIES=10000 $(CARGO) test $(ALL) --locked --test it -- histories::

# How long each target is fuzzed.
FUZZ_SECONDS ?= 120

fuzz: prerequisites ## random bytes, led by coverage, into the encoder and the readers of COPY and of the binary log
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { echo "fuzz: cargo-fuzz isn't installed; cargo install cargo-fuzz --locked"; exit 1; }
	@$(CARGO) +nightly --version >/dev/null 2>&1 || { echo "fuzz: libFuzzer wants a nightly compiler; rustup toolchain install nightly"; exit 1; }
	$(CARGO) +nightly fuzz run decoder -- -max_total_time=$(FUZZ_SECONDS)
	$(CARGO) +nightly fuzz run log -- -max_total_time=$(FUZZ_SECONDS)
	$(CARGO) +nightly fuzz run encoder -- -max_total_time=$(FUZZ_SECONDS)
	@echo "fuzz: what was found worth keeping goes to PostgreSQL"
	$(CARGO) test $(ALL) --locked --test it -- encoder::

check: prerequisites ## format, lints, the code's own pages, licences, scripts
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets $(ALL) --locked -- -D warnings
	$(CARGO) clippy --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps $(ALL) --document-private-items --locked
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	  $(CARGO) deny --locked check licenses bans sources; \
	else \
	  echo "check: cargo-deny is not installed; what crates say of their licences and sources is held by make test, their files are NOT read (cargo install cargo-deny --locked)"; \
	fi
	@for script in $$(ls scripts/* .ci/run | grep -v '\.py$$'); do bash -n "$$script" || exit 1; done
	@for script in scripts/*.py; do python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$$script" || exit 1; done
	@echo "check: scripts parse"

bench: prerequisites ## how fast, against the floor of this machine; ARGS=sync, daemon or models for one part
	$(CARGO) bench --profile dist --locked --bench figures -- $(ARGS)

deb: cargo ## the Debian package, by cargo-deb
	@$(CARGO) deb --version >/dev/null 2>&1 || { echo "deb: cargo-deb isn't installed; cargo install cargo-deb --locked"; exit 1; }
	$(CARGO) build --profile dist --locked
	scripts/package target/dist/amalgam
	$(CARGO) deb --profile dist --no-build --locked

pages: cargo ## write the pages that are made from the program
	AMALGAM_TEST_REWRITE=1 $(CARGO) test $(ALL) --locked --test it -- types_page:: metrics_page::

prerequisites: cargo
	@scripts/prerequisites

# Who only wants to see it needs no tools of the tests.
demo-prerequisites: cargo
	@scripts/prerequisites demo

cargo:
	@command -v $(CARGO) >/dev/null || { echo "prerequisites: cargo isn't found; install Rust from https://rustup.rs"; exit 1; }
