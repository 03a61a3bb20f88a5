# What the README and .ci/run call; everything else is plain go.
GO ?= go
STATICCHECK = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
export CGO_ENABLED = 0

.PHONY: build build-mpi test test-heavy lint generate bench bench-compare fuzz embed-model

build: ## the program, in bin/
	$(GO) build -o bin/facodec ./cmd/facodec

build-mpi: ## the program with MPI, for training on several machines; Linux, needs glibc
	$(GO) build -tags mpi -o bin/facodec-mpi ./cmd/facodec

test: ## what `go test ./...` runs
	$(GO) test ./...

test-heavy: ## and the full-size contract, which takes minutes
	FACODEC_HEAVY=1 $(GO) test -timeout 60m ./...

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt -w these"; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...

generate: ## the assembly and its stubs
	$(GO) generate ./...

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# make bench-compare OLD=old.txt: run, and compare with an earlier run's output.
OLD ?= bench-old.txt
bench-compare:
	$(GO) test -run '^$$' -bench . -count 6 ./internal/kernel | tee bench-new.txt
	$(GO) run golang.org/x/perf/cmd/benchstat@latest $(OLD) bench-new.txt

# make embed-model CHECKPOINT=runs/base/checkpoints/best.safetensors STEPS=9000 TRAINING="9,000 steps in 2 hours"
embed-model: ## a trained model into defaultmodel, the table of known models, its card and the README
	$(GO) run ./scripts/embed-model -steps "$(STEPS)" -training "$(TRAINING)" "$(CHECKPOINT)"
	$(GO) run ./cmd/facodec plot testdata/speech/en.flac -o docs/plot.png --width 800 --height 480 --force --quiet
	$(GO) test ./defaultmodel

FUZZTIME ?= 10s
fuzz: ## every fuzz target for FUZZTIME
	GO="$(GO)" sh scripts/fuzz.sh $(FUZZTIME)
