# swift-iocp. Two targets do all the set-up themselves: `make bench` and `make test`.

SWIFT      ?= swift
BUILD      := .build
IOCP       := $(BUILD)/release/iocp
# What is built by the tests: every trait. Users of the library build without.
TRAITS     := --enable-all-traits
# The tests of services, of NIO's channels and the plays of bodies open descriptors while others count them, so they have a run of
# their own.
APART      := ServiceTests|AsyncSimTests|IOCPNIOTests
tests       = $(SWIFT) test $(TRAITS) $(1) --skip '$(APART)' && $(SWIFT) test $(TRAITS) $(1) --skip-build --filter '$(APART)'
# Without what draws its page the bench does all else, and says so.
plots       = @.ci/deps plots || echo "bench: no HTML report will be drawn" >&2
RUN_FLAGS  ?=
BENCH_FLAGS ?=
SEEDS      ?= 2000
SIM_FLAGS  ?= --jobs $(shell nproc)
FUZZ_SECONDS ?= 60
CLANG      ?= clang
SCENARIO   ?= echo-random connect-reset stalled-readers limits overflow-storm slow-close mass-close reconnect-storm async-bodies graceful-stop
DRIVER     ?= uring epoll
SOAK_FLAGS ?=
SERVICE    ?=
CONNECTIONS ?= 1000000
PREFIX     ?= /usr/local
DESTDIR    ?=

.DEFAULT_GOAL := help
.PHONY: help deps build test test-arm64 test-numa test-asan test-tsan test-ubsan test-packages coverage sim mutants fuzz soak \
	test-examples test-nio bench-build bench bench-peers bench-paired bench-apps bench-sweep bench-scaling bench-million run generate docs man install format clean

help: ## lists the targets
	@echo "swift-iocp: I/O completion ports for Linux servers in Swift"
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## installs liburing, libnuma and libssl where they are missing (apt), or names the packages
	@.ci/deps

build: deps ## builds the library and the iocp command, optimised
	$(SWIFT) build -c release --product iocp

test: ## builds and runs every test, those of the examples, too
	@.ci/deps tests
	$(call tests)
	$(MAKE) test-examples

test-examples: deps ## drives the services of Examples/ with redis-cli, wrk, curl and hostile peers, on both drivers
	@.ci/deps examples
	$(SWIFT) build -c release --package-path Examples
	Examples/Tests/run $(SERVICE)

test-nio: deps ## drives services of SwiftNIO, Hummingbird and gRPC on either transport; minutes to build
	@.ci/deps nio
	$(SWIFT) build -c release --package-path Examples/nio
	Examples/nio/Tests/run

test-arm64: ## the C core cross-compiled for arm64 and run in qemu: SEEDS=20000 of the sim, mailboxes, io_uring; minutes
	@.ci/deps arm64 || echo "test-arm64: goes on without" >&2
	CLANG=$(CLANG) $(if $(filter command line environment,$(origin SEEDS)),SEEDS=$(SEEDS)) Tests/Machines/arm64.sh $(STEPS)

test-numa: ## the tests of core and API on Debian's Linux 6.1 with two NUMA nodes, in qemu: FILTER=Pinning; half an hour
	@.ci/deps numa || echo "test-numa: goes on without" >&2
	$(SWIFT) build --build-tests $(TRAITS)
	SWIFT="$(SWIFT)" Tests/Machines/numa.sh $(if $(FILTER),'$(FILTER)')

test-asan: deps ## the tests under AddressSanitizer
	export LSAN_OPTIONS=suppressions=Tests/Support/Sanitizers/leaks.supp:print_suppressions=0; \
	$(call tests,--sanitize=address --scratch-path .build-asan)

test-tsan: deps ## the tests under ThreadSanitizer
	export TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/Support/Sanitizers/races.supp:print_suppressions=0; \
	$(call tests,--sanitize=thread --scratch-path .build-tsan)

test-ubsan: deps ## the tests under UndefinedBehaviorSanitizer; a finding ends them
	SWIFT=$(SWIFT) Tests/Support/Sanitizers/ubsan.sh

test-packages: deps ## the library in a package outside, once for each set of traits; among the tests, too
	$(SWIFT) test $(TRAITS) --filter PackageTests

coverage: deps ## line coverage of the C core, at least 97 %, with a reason for every line that has none
	Tests/Support/Coverage/coverage.sh

sim: deps ## plays SEEDS=2000 seeds of a random application on a played kernel, or traces one: SEED=7, INPUT=file
	$(SWIFT) build -c release --product iocp-sim
ifdef SEED
	$(BUILD)/release/iocp-sim --seed $(SEED)
else ifdef INPUT
	$(BUILD)/release/iocp-sim --input $(INPUT)
else
	$(BUILD)/release/iocp-sim --seeds $(SEEDS) $(SIM_FLAGS)
endif

mutants: deps ## breaks the core on purpose, place by place, and expects the sim to notice each
	Tests/Sim/mutants.sh

fuzz: deps ## fuzzes each target for FUZZ_SECONDS=60 with libFuzzer, or one: TARGET=config
	SECONDS_EACH=$(FUZZ_SECONDS) SWIFT=$(SWIFT) Tests/Fuzz/fuzz.sh $(TARGET)

soak: deps ## proves the guarantees on real sockets, for minutes: SCENARIO=echo-random DRIVER=epoll SOAK_FLAGS=...
	$(SWIFT) build -c release --product iocp-soak
	@status=0; for driver in $(DRIVER); do for scenario in $(SCENARIO); do \
		$(BUILD)/release/iocp-soak $$scenario --driver $$driver $(SOAK_FLAGS) || status=1; \
	done; done; exit $$status

bench-build: build
	$(SWIFT) build -c release --package-path bench

bench: bench-build ## measures against select, poll, threads, epoll and bare io_uring; report and page in bench/results
	$(plots)
	bench/.build/release/bench --iocp $(IOCP) $(BENCH_FLAGS)

bench-peers: bench-build ## the same with SwiftNIO, libuv, Boost.Asio, Go and tokio, every workload: about an hour
	$(plots)
	SWIFT=$(SWIFT) bench/baselines/build-peers.sh
	bench/.build/release/bench --iocp $(IOCP) --all $(BENCH_FLAGS)

bench-paired: build ## CPU per message of this tree over another build's, in slices that take turns: BEFORE=path/to/iocp
	@test -n "$(BEFORE)" || { echo "bench-paired: name the other build's command: make bench-paired BEFORE=path/to/iocp" >&2; exit 2; }
	bench/paired.py --before $(BEFORE) --after $(IOCP) $(BENCH_FLAGS)

bench-apps: build ## services of Examples/ beside redis-server, nginx, HAProxy and Hummingbird on one core, in turns
	@.ci/deps apps
	$(SWIFT) build -c release --package-path Examples
	$(SWIFT) build -c release --package-path bench/baselines/http-hummingbird --scratch-path bench/.build/hummingbird || \
		echo "bench-apps: Hummingbird cannot be built, and is left out" >&2
	bench/apps.py $(BENCH_FLAGS)

bench-sweep: build ## varies workers, receive buffers, batch and spinning of `iocp serve`: a picture in bench/results, and advice
	@.ci/deps plots
	bench/sweep.py $(BENCH_FLAGS)

bench-million: build ## holds CONNECTIONS=1000000, beats, drops, broadcasts, closes and accounts for each: two minutes, 10 GiB of memory
	$(plots)
	bench/million.py --connections $(CONNECTIONS) $(BENCH_FLAGS)

bench-scaling: build ## throughput, CPU per message and evenness with one worker, two, four and more, on as many CPUs
	bench/scaling.py $(BENCH_FLAGS)

run: build ## serves echo on port 4666 until Ctrl-C
	$(IOCP) serve $(RUN_FLAGS)

generate: ## writes what repeats the table of counters: Swift properties, docs/STATS.md
	$(SWIFT) run iocp-generate $(CURDIR)

docs: deps ## builds the documentation into .build-docs with docc, no warnings, and checks comments and every link
	SWIFT=$(SWIFT) Tests/Support/Documentation/docs.sh

man: deps ## writes man/ and completions/ from the definitions that `iocp --help` is printed from
	$(SWIFT) build $(TRAITS) --product iocp
	$(SWIFT) build $(TRAITS) --product iocp-docs
	$(BUILD)/debug/iocp-docs man $(BUILD)/debug/iocp $(CURDIR)

# Root installs what somebody else has built, so only what is not there is built here.
$(IOCP):
	$(MAKE) build

install: | $(IOCP) ## installs the command, its manual pages and completions: PREFIX=/usr/local DESTDIR=
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(IOCP) $(DESTDIR)$(PREFIX)/bin/iocp
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 completions/iocp.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/iocp
	install -m 644 completions/_iocp $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_iocp
	install -m 644 completions/iocp.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/iocp.fish

format: ## formats Swift and C in place
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests Examples/Package.swift Examples/Sources \
		Examples/nio/Package.swift Examples/nio/Sources bench/Package.swift bench/Sources
	@if command -v clang-format >/dev/null; then \
		find CSources Tests bench -name '*.[ch]' -not -path '*/.build/*' -exec clang-format -i {} +; \
	else \
		echo "clang-format is not installed: C was left as it is" >&2; \
	fi

clean: ## removes everything that was built
	rm -rf Examples/nio/.build .build .build-machines .build-asan .build-tsan .build-ubsan .build-coverage .build-fuzz .build-docs Examples/.build bench/.build bench/baselines/*/.build bench/results \
		bench/baselines/tokio/Cargo.lock
