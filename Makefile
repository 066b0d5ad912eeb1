# make demo | test | chains | conformance | lint | docs | bench | fuzz
#      real DATA=DIR [TRAIN_DATA=DIR2] [WEIGHTS=FILE] | vae-demo [DATA=DIR] [WEIGHTS=FILE] | hashing-demo [DATA=DIR] [WEIGHTS=FILE]
# Each target makes the environment it needs (.venv) and can be repeated: finished stages are kept.
# FILE holds ImageNet weights of MobileNetV2. Without it those of EfficientNet-Lite2 serve, which the environment
# has; the two demos start from nothing with an empty WEIGHTS=.
export TF_CPP_MIN_LOG_LEVEL ?= 3
PY := .venv/bin/python
SEED ?= 0
WEIGHTS ?= package
CHAINS := tests/documents/test_walks.py tests/test_trials.py tests/test_conformance.py tests/fuzz \
  tests/delg/experiments tests/hashing/experiments tests/vae/experiments tests/vae/networks/test_stems.py \
  tests/delg/serving tests/delg/reranking/test_loop.py tests/delg/pictures/test_pages_in_a_browser.py \
  tests/delg/fitting/test_preemption.py tests/vae/training/test_detail_translation.py \
  tests/hashing/training/test_adaptation.py
# Minutes of whole clusters, apart from what every commit must pass: `make conformance`.
CLUSTERS := tests/delg/fitting/test_lost_workers.py

.PHONY: demo smoke real vae-demo hashing-demo test chains conformance lint docs bench fuzz clean env

env:
	@.ci/make_environment

demo: env
	$(PY) -m delg.run_experiment --preset=demo --output_dir=build/demo --seed=$(SEED)

smoke: env
	$(PY) -m delg.run_experiment --preset=smoke --output_dir=build/smoke --seed=$(SEED)

real: env
	@test -n "$(DATA)" -a -n "$(WEIGHTS)" || { echo "error: say make real DATA=DIR [TRAIN_DATA=DIR2] [WEIGHTS=FILE]" >&2; exit 2; }
	$(PY) -m delg.run_experiment --preset=real --data_dir="$(DATA)" --train_data_dir="$(TRAIN_DATA)" \
	  --backbone_weights="$(WEIGHTS)" --output_dir=build/real --seed=$(SEED)

vae-demo: env
	$(PY) -m vae.run_experiment --data_dir="$(DATA)" --imagenet_weights="$(WEIGHTS)" \
	  --delg_saved_model="$(wildcard build/demo/saved_model)" --output_dir=build/vae --seed=$(SEED)

hashing-demo: env
	$(PY) -m hashing.run_experiment --data_dir="$(DATA)" --backbone_weights="$(WEIGHTS)" \
	  --output_dir=build/hashing --seed=$(SEED)

test: env
	$(PY) -m pytest -n 2 --dist=loadfile --no-loadscope-reorder --durations=25 $(CHAINS:%=--ignore=%) $(CLUSTERS:%=--ignore=%)

# What takes whole scripts and models: every command of the documents in its order, the experiments, every stage
# killed, on a full disk and twice at once, damaged files of every kind, the promises of every model.
chains: env
	$(PY) -m pytest -n 2 --dist=loadfile --no-loadscope-reorder --durations=10 $(CHAINS)

# The promises that `make test` keeps on small networks, on DELG and hashing with every backbone too, how each
# training ends that is told to, under every strategy, and what killed workers leave.
conformance: env
	EVERY_BACKBONE=1 $(PY) -m pytest tests/test_conformance.py tests/delg/fitting/test_preemption.py $(CLUSTERS) \
	  --durations=10

lint: env
	$(PY) -m ruff check .
	.venv/bin/lint-imports

docs: env
	$(PY) -m tests.documents.make_map
	$(PY) -m tests.documents.make_api
	$(PY) -m tests.documents.make_decisions

bench: env
	@for file in tests/benchmarks/bench_*.py; do \
	  echo "== $$file"; $(PY) -m tests.benchmarks.$$(basename $$file .py) || exit 1; done

# 2,000 damaged files of every kind that users exchange, in an hour; `make test` reads 25 of each.
fuzz: env
	$(PY) -m tests.fuzz.fuzz_readers --files=2000

clean:
	rm -rf build
