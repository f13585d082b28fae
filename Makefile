# make install | demo | test | lint
PYTHON ?= python3.11
BIN := .venv/bin
export OMP_WAIT_POLICY := PASSIVE
export HF_HUB_OFFLINE := 1
LAUNCH := $(BIN)/accelerate launch --num_processes 1 --num_machines 1 --mixed_precision no --dynamo_backend no

.PHONY: install demo test lint

install: .venv/installed

# torch first and by exact version, so that a CPU build offered by the local pip configuration is taken and kept
.venv/installed: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet "$$(grep '^torch==' requirements.txt)"
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@

# Simulated patients, every training, pseudo-MRIs of patients never seen, and the figures. Run again, it continues.
demo: install
	$(BIN)/python make_phantom.py --output demo/UKBB --subjects 1700 --seed 1
	$(BIN)/python make_phantom.py --output demo/unseen --subjects 32 --seed 2
	$(LAUNCH) train_diffusion.py --data demo/UKBB --output runs/demo --autoencoder runs/demo-autoencoder \
	    --segmenter runs/demo-segmenter --preset nano --steps 700 --stage-steps.autoencoder 450 \
	    --stage-steps.segmenter 300 --stage-steps.ceiling 400 --stage-steps.condition 300 --stage-steps.prior 600
	$(BIN)/python sample.py --ecg demo/unseen/ecg --mri demo/unseen --pipeline runs/demo/pipeline \
	    --output demo/samples --samples 2
	$(BIN)/python evaluate_samples.py --data demo/unseen --split all --training-data demo/UKBB --samples 2 \
	    --pipeline runs/demo/pipeline --output demo/report
	@echo
	@echo "Grids, true heart above the generated ones:  demo/samples/<patient>/grid.png"
	@echo "All in one picture:                          demo/samples/overview.png"
	@echo "NIfTI files, for 3D Slicer:                  demo/samples/<patient>/sa_ED.nii.gz, sa_ES.nii.gz"
	@echo "The proof, page and figures:                 demo/report/report.html, report.json"

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
