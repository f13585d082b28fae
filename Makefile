# make install | demo | app | train-demo | ukb-demo | pretrained | segmenter | benchmarks | torture | test | lint
PYTHON ?= python3.11
BIN := .venv/bin
export OMP_WAIT_POLICY := PASSIVE
export HF_HUB_OFFLINE := 1
LAUNCH := $(BIN)/accelerate launch --num_processes 1 --num_machines 1 --mixed_precision no --dynamo_backend no

.PHONY: install demo app app-install train-demo pretrained benchmarks test lint

install: .venv/installed

# torch first and by exact version, so that a CPU build offered by the local pip configuration is taken and kept
.venv/installed: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet "$$(grep '^torch==' requirements.txt)"
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@

# The released weights on simulated patients they never saw: beating hearts beside the true ones, and the report.
demo: install
	$(BIN)/python make_phantom.py --output demo/unseen --subjects 4 --seed 2 --frames 25
	$(BIN)/python sample.py --ecg demo/unseen/ecg --mri demo/unseen --pipeline pretrained/phantom --output demo/samples --samples 3
	$(BIN)/python evaluate_samples.py --data demo/unseen --split all --samples 2 --controls \
	    --pipeline pretrained/phantom --output demo/report
	cp docs/demo.html demo/index.html
	@echo
	@echo "Begin here, it leads to all of these:        demo/index.html"
	@echo "All patients, each with its page:            demo/samples/index.html"
	@echo "A beating heart, the true one above it:      demo/samples/<patient>/heart.gif; its volumes: curve.png"
	@echo "Grids, true heart above the generated ones:  demo/samples/<patient>/grid.png"
	@echo "All in one picture:                          demo/samples/overview.png"
	@echo "NIfTI files, for 3D Slicer:                  demo/samples/<patient>/sa.nii.gz, seg_sa.nii.gz"
	@echo "The report, page and figures:                demo/report/report.html, report.json"

# A page in a browser on which to drop an ECG. gradio comes without its dependencies: they are pinned in the same file.
app: app-install
	$(BIN)/python app.py

app-install: .venv/app-installed

.venv/app-installed: .venv/installed requirements-app.txt
	$(BIN)/pip install --quiet --no-deps -r requirements-app.txt
	touch $@

# The same from scratch: simulated patients, every training, beating hearts of patients never seen. Run again, it continues.
train-demo: install
	$(BIN)/python make_phantom.py --prepared demo/phantom1700 --subjects 1700 --cines 200 --seed 1
	$(BIN)/python make_phantom.py --output demo/unseen --subjects 4 --seed 2 --frames 25
	$(LAUNCH) train_diffusion.py --data demo/phantom1700 --output runs/demo --autoencoder runs/demo-autoencoder \
	    --segmenter runs/demo-segmenter --preset nano --steps 600 --cines 200 --stage-steps.autoencoder 450 \
	    --stage-steps.segmenter 300 --stage-steps.ceiling 400 --stage-steps.condition 300 --stage-steps.prior 600 \
	    --stage-steps.motion 300
	$(BIN)/python sample.py --ecg demo/unseen/ecg --mri demo/unseen --pipeline runs/demo/pipeline \
	    --output demo/trained-samples --samples 2
	$(BIN)/python evaluate_samples.py --data demo/unseen --split all --training-data demo/phantom1700 --samples 2 \
	    --controls shuffled_ecg person_only --pipeline runs/demo/pipeline --output demo/trained-report
	@echo "Pages: demo/trained-samples/index.html; the report: demo/trained-report/report.html"

# UK Biobank's road on 60 simulated patients: zips, its own table, broken files, no label map. A quarter of an hour of two busy cores,
# 30 CPU minutes at most. The hearts are poor: it shows the road. The released segmenter measures them.
.PHONY: ukb-demo
UKB := demo/ukb
# Whose hearts are drawn: the test people, who taught nothing, and one whose ECG is an empty file.
UKB_SHOWN := 9000002 9000011 9000028 9000031 9000045
ukb-demo: install
	test -e $(UKB)/UKBB/participant.csv || $(BIN)/python make_phantom.py --output $(UKB)/UKBB --subjects 60 --seed 4 \
	    --frames 20 --dicom --platform
	test -e $(UKB)/UKBB/participant.csv || $(BIN)/python -m phantom.download $(UKB)/UKBB
	$(BIN)/python -m cohort.report --data $(UKB)/UKBB --output $(UKB)/cohort --full
	$(BIN)/python -m cohort.prepare --data $(UKB)/UKBB --prepared $(UKB)/runs/prepared --part 1/2
	$(BIN)/python -m cohort.prepare --data $(UKB)/UKBB --prepared $(UKB)/runs/prepared --part 2/2
	$(BIN)/python -m cohort.prepare --data $(UKB)/UKBB --prepared $(UKB)/runs/prepared --join 2
	$(LAUNCH) train_diffusion.py --data $(UKB)/UKBB --prepared $(UKB)/runs/prepared --output $(UKB)/runs/diffusion \
	    --autoencoder $(UKB)/runs/autoencoder --segmenter $(UKB)/runs/segmenter --preset nano --steps 100 \
	    --stage-steps.autoencoder 100 --stage-steps.ceiling 100 --stage-steps.condition 60 --stage-steps.prior 100 \
	    --cines 12 --stage-steps.motion 60
	mkdir -p $(UKB)/shown
	cp $(UKB_SHOWN:%=$(UKB)/UKBB/Bulk/Electrocardiogram/Resting/90/%_20205_2_0.xml) $(UKB)/shown
	$(BIN)/python sample.py --ecg $(UKB)/shown --mri $(UKB)/UKBB --samples 2 --exclude $(UKB)/UKBB/w12345_20260101.csv \
	    --pipeline $(UKB)/runs/diffusion/pipeline --output $(UKB)/samples || test $$? -eq 2  # an empty ECG is refused
	$(BIN)/python evaluate_samples.py --data $(UKB)/UKBB --prepared $(UKB)/runs/prepared --samples 2 \
	    --controls shuffled_ecg person_only --pipeline $(UKB)/runs/diffusion/pipeline --output $(UKB)/report
	@echo "The data doctor's page: $(UKB)/cohort/cohort.html; hearts: $(UKB)/samples/; the report: $(UKB)/report/report.html"

# The released weights again, from nothing. Then they are read in runs/pretrained/phantom. The denoiser learns for five minutes on
# a large GPU (LAUNCH='.venv/bin/accelerate launch --mixed_precision bf16 --dynamo_backend inductor') and half a day on 2 cores.
pretrained: install
	$(BIN)/python make_phantom.py --prepared demo/phantom4000 --subjects 4000 --cines 800 --seed 1
	$(BIN)/python make_phantom.py --output demo/ecgs --subjects 5000 --seed 3 --ecg-only
	$(BIN)/python make_phantom.py --prepared demo/unseen120 --subjects 120 --cines 120 --seed 2
	$(LAUNCH) train_diffusion.py --data demo/phantom4000 --more-ecgs demo/ecgs --output runs/pretrained --cines 800 \
	    --autoencoder runs/pretrained-autoencoder --segmenter runs/pretrained-segmenter --preset nano --steps 4250 \
	    --hearts-per-batch 96 --slices-per-heart 16 \
	    --stage-steps.autoencoder 3500 --stage-steps.segmenter 1500 --stage-steps.ceiling 2500 \
	    --stage-steps.condition 3000 --stage-steps.prior 2000 --stage-steps.motion 3000 --seed 0
	$(LAUNCH) distil.py --data demo/phantom4000 --pipeline runs/pretrained/pipeline --output runs/pretrained-student --steps 2 \
	    --pairs 3000 --optimiser-steps 960 --hearts-per-batch 32 --learning-rate 5e-4
	$(BIN)/python -m sampling.release runs/pretrained-student/pipeline runs/pretrained/phantom
	$(BIN)/python evaluate_samples.py --pipeline runs/pretrained/phantom --data demo/phantom4000 --split validation \
	    --calibrate
	$(BIN)/python evaluate_samples.py --pipeline runs/pretrained/phantom --data demo/unseen120 --split all \
	    --subjects 100 --samples 4 --training-data demo/phantom4000 --output runs/pretrained/report

# Which heart an ECG tells, learned anew by the released weights: some twenty minutes of two cores, most of them for the people.
# Then they are in runs/released. `make pretrained` learns the same on its way.
.PHONY: codes
codes: install
	$(BIN)/python make_phantom.py --prepared demo/phantom2800 --subjects 2800 --seed 1
	$(BIN)/python make_phantom.py --output demo/ecgs5 --subjects 5000 --seed 5 --ecg-only
	$(BIN)/python -m training.fit_codes --data demo/phantom2800 --more-ecgs demo/ecgs5 --pipeline pretrained/phantom \
	    --output runs/codes
	$(BIN)/python -m sampling.release runs/codes/pipeline runs/released
	$(BIN)/python evaluate_samples.py --pipeline runs/released --data demo/phantom2800 --split validation --calibrate

# The released segmenter again, from simulated hearts alone: some hour of one core. Then it is in runs/pretrained/segmenter.
.PHONY: segmenter
segmenter: install
	for steps in 3500 5500; do $(LAUNCH) train_segmenter.py --domain-randomised --output runs/randomised-segmenter \
	    --hearts 1200 --unseen-hearts 80 --steps $$steps --batch-size 32 --seed 0 || exit; done
	$(BIN)/python -m sampling.release runs/randomised-segmenter/model runs/pretrained/segmenter
	$(BIN)/python benchmarks/segmenter_accuracy.py --segmenter runs/pretrained/segmenter pretrained/phantom/segmenter

# Everything in benchmarks/results/; the peers go into an environment of their own.
benchmarks: .venv-benchmarks/installed
	.venv-benchmarks/bin/python benchmarks/training_step.py
	.venv-benchmarks/bin/python benchmarks/switches.py
	.venv-benchmarks/bin/python benchmarks/growth.py
	.venv-benchmarks/bin/python benchmarks/data_loader.py
	.venv-benchmarks/bin/python benchmarks/data_preparation.py
	.venv-benchmarks/bin/python benchmarks/dicom_speed.py
	.venv-benchmarks/bin/python benchmarks/segment_speed.py
	.venv-benchmarks/bin/python benchmarks/data_index.py
	.venv-benchmarks/bin/python benchmarks/sampling_speed.py --pipeline pretrained/phantom
	.venv-benchmarks/bin/python benchmarks/sampling_steps.py --pipeline pretrained/phantom
	.venv-benchmarks/bin/python benchmarks/write_readme.py

.venv-benchmarks/installed: requirements.txt benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-benchmarks
	.venv-benchmarks/bin/pip install --quiet "$$(grep '^torch==' requirements.txt)"
	.venv-benchmarks/bin/pip install --quiet -r requirements.txt
	.venv-benchmarks/bin/pip install --quiet --no-deps -r benchmarks/requirements.txt
	touch $@

# What the world does to a training, done on purpose; the table goes to tests/torture/results.md.
.PHONY: torture torture-quick
torture: install
	$(BIN)/python tests/torture/run_all.py

torture-quick: install
	$(BIN)/python tests/torture/run_all.py --quick

# One process for each core, up to 8, which take 2 GB each. Each computes with one thread: more would fight for the cores.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
