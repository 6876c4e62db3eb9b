# Needs Go and make; `make test` also openssl, curl and, for the race detector, a C compiler.
GO ?= go
FUZZTIME ?= 1m
ROUNDS ?= 200
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
# The commit's time, not the build's: the same commit gives the same file.
DATE ?= $(shell TZ=UTC0 git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
LDFLAGS := -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)
PLATFORMS ?=
BENCH ?=
BASE ?= HEAD~1

# The smart-card library stays out: it needs pcsc headers and no test uses a card.
TEST_TAGS := noyubikey
TOOLS := $(CURDIR)/bin/tools

.PHONY: build release demo test test-portable outage e2e lint fuzz crash tools bench bench-quick bench-compare clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" -o bin/ ./cmd/step-ca-intune

# Binaries for all platforms, bills of materials, licences, the systemd unit and checksums, into dist. For
# some platforms only: make release PLATFORMS="linux/amd64 linux/arm64".
release:
	CGO_ENABLED=0 $(GO) run ./test/cmd/release -version "$(VERSION)" -date "$(DATE)" -ldflags "$(LDFLAGS)" $(PLATFORMS)

# Starts a simulated Intune and a CA on loopback, enrols devices, prints what happened.
demo:
	CGO_ENABLED=0 $(GO) run ./test/cmd/demo

test:
	CGO_ENABLED=1 $(GO) test -race -tags $(TEST_TAGS) $$($(GO) list ./... | grep -v /test/outage)

# What needs neither processes, nor signals, nor a C compiler: for any system.
test-portable:
	CGO_ENABLED=0 $(GO) test ./intune ./webhook ./provisioner/profile ./test/device ./test/intunesim

# Hours of trouble in minutes: Intune away, storms, overload, replicas. PostgreSQL and
# MariaDB are installed when missing.
outage:
	./test/tools/debian.sh '/usr/lib/postgresql/*/bin/initdb:postgresql' mariadb-install-db:mariadb-server
	CGO_ENABLED=0 NEED_SERVERS=1 $(GO) test -count=1 -timeout 30m ./test/outage

# With a SCEP client that is a system service, certmonger, and with Prometheus' own checker;
# both are installed when missing.
e2e:
	./test/tools/debian.sh getcert:certmonger dbus-run-session:dbus promtool:prometheus
	CGO_ENABLED=0 $(GO) test -count=1 -tags certmonger -run Certmonger -v ./test/e2e
	CGO_ENABLED=0 $(GO) test -count=1 -tags promtool -v ./test/monitoring

lint: tools
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }
	CGO_ENABLED=0 $(GO) vet ./...
	CGO_ENABLED=0 $(TOOLS)/staticcheck ./...
	@CGO_ENABLED=0 ./test/tools/govulncheck.sh $(TOOLS)/govulncheck

# Each fuzz test for FUZZTIME.
fuzz:
	@CGO_ENABLED=0 ./test/tools/fuzz.sh $(FUZZTIME)

# Kills CAs at random moments and compares what devices hold with what Intune lists.
crash:
	./test/tools/debian.sh '/usr/lib/postgresql/*/bin/initdb:postgresql'
	CGO_ENABLED=0 $(GO) run ./test/cmd/crash -rounds $(ROUNDS)

# Measures beside the stock step-ca, see docs/performance.md. Further flags: make bench
# BENCH="-scenario a,b -pairs 5". All of it takes about 40 minutes.
bench:
	CGO_ENABLED=0 $(GO) run ./test/cmd/bench $(BENCH)

bench-quick:
	CGO_ENABLED=0 $(GO) run ./test/cmd/bench -quick $(BENCH)

# The Go benchmarks of this tree beside those of another commit.
bench-compare: tools
	@CGO_ENABLED=0 ./test/tools/benchcompare.sh $(BASE) $(TOOLS)/benchstat

tools:
	@mkdir -p $(TOOLS)
	@cd test/tools && GOBIN=$(TOOLS) $(GO) install tool

clean:
	rm -rf bin dist
