import json
import os
import shutil

import pytest
import torch

from cohort.errors import InputError
from training.run import KEPT_CHECKPOINTS, Run, damaged, save_model

CONFIG = {"steps": 10, "widths": (32, 64), "nested": {"slices": 10}}


def parts(value):
    return {
        "module": {"weight": torch.full((3, 2), float(value)), "half": torch.ones(4, dtype=torch.bfloat16)},
        "ema": {"0": torch.tensor(value), "transposed": torch.arange(6.0).view(2, 3).T},
    }


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run", CONFIG)
    for step in (1, 2):
        run.save(step, parts(step))
    return run


def checkpoint(run, step):
    return run.checkpoints / f"step_{step:08d}"


def truncate(folder):
    path = folder / "module.safetensors"
    os.truncate(path, path.stat().st_size - 1)


def flip_a_bit(folder):
    path = folder / "ema.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def empty(folder):
    (folder / "module.safetensors").write_bytes(b"")


def lose_a_file(folder):
    (folder / "ema.safetensors").unlink()


def lose_the_manifest(folder):
    (folder / "manifest.json").unlink()


def tear_the_manifest(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:20])


DAMAGES = [truncate, flip_a_bit, empty, lose_a_file, lose_the_manifest, tear_the_manifest]


def test_a_checkpoint_comes_back_bit_by_bit(run):
    step, found = run.load()
    assert step == 2
    for name, tensors in parts(2).items():
        assert found[name].keys() == tensors.keys()
        for key, value in tensors.items():
            assert torch.equal(found[name][key], value) and found[name][key].dtype == value.dtype


def test_a_new_run_has_nothing_to_load(tmp_path):
    assert Run(tmp_path, CONFIG).load() is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_gives_way_to_the_one_before_with_a_warning(run, damage, capsys):
    assert damaged(checkpoint(run, 2)) is None
    damage(checkpoint(run, 2))
    assert damaged(checkpoint(run, 2))
    step, found = run.load()
    assert step == 1 and found["module"]["weight"][0, 0] == 1
    said = capsys.readouterr()
    assert "step_00000002 is damaged" in said.out + said.err


def test_it_never_starts_anew_in_silence(run):
    flip_a_bit(checkpoint(run, 1))
    truncate(checkpoint(run, 2))
    with pytest.raises(InputError, match="every checkpoint is damaged"):
        run.load()


def test_a_checkpoint_torn_while_being_written_is_not_one(run):
    shutil.copytree(checkpoint(run, 2), run.checkpoints / ".partial_00000003")
    assert run.load()[0] == 2
    run.save(3, parts(3))  # over the leftover
    assert run.load()[0] == 3


def test_old_checkpoints_go_when_newer_ones_are_there(run):
    for step in range(3, 6):
        run.save(step, parts(step))
    kept = sorted(path.name for path in run.checkpoints.iterdir())
    assert kept == [f"step_{step:08d}" for step in range(6 - KEPT_CHECKPOINTS, 6)]


def test_another_configuration_is_refused_with_the_difference(tmp_path):
    Run(tmp_path, CONFIG)  # nobody holds it, so its lock is free again
    with pytest.raises(InputError) as refusal:
        Run(tmp_path, CONFIG | {"steps": 20, "nested": {"slices": 12}})
    assert "steps was 10, is 20" in str(refusal.value) and "'slices': 12" in str(refusal.value)
    assert "widths" not in str(refusal.value)
    Run(tmp_path, CONFIG)  # the same one continues; a tuple is a list once it has been JSON


def test_a_second_run_in_one_folder_is_refused_while_the_first_lives(tmp_path):
    first = Run(tmp_path, CONFIG)
    with pytest.raises(InputError, match="another training"):
        Run(tmp_path, CONFIG)
    del first
    Run(tmp_path, CONFIG)


def test_only_the_main_process_writes(tmp_path):
    other = Run(tmp_path / "run", CONFIG, main=False)
    other.log(1, loss=1.0)
    other.save(1, parts(1))
    assert not (tmp_path / "run").exists()


def test_metrics_after_the_checkpoint_are_forgotten_with_it(run):
    for step in (1, 2, 3):
        run.log(step, loss=step / 2)
    run.load()
    run.log(3, loss=9.0)
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 0.5), (2, 1.0), (3, 9.0)]


def test_a_torn_last_line_of_metrics_does_not_stop_a_run(run):
    """kill -9 in the middle of a write."""
    run.log(1, loss=0.5)
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.load()[0] == 2
    assert (run.folder / "metrics.jsonl").read_text() == '{"step": 1, "loss": 0.5}\n'


def test_the_record_names_versions_and_code(run):
    record = json.loads((run.folder / "environment.json").read_text())
    assert record["torch"] == torch.__version__.split("+")[0] or record["torch"] == torch.__version__
    assert json.loads((run.folder / "config.json").read_text()) == json.loads(json.dumps(CONFIG))


def test_a_saved_model_replaces_the_one_before(tmp_path):
    from models.ecg_encoder import ECGEncoder

    for width in (8, 16):
        save_model(ECGEncoder(width=width, layers=1, heads=2), tmp_path / "model")
    assert ECGEncoder.from_pretrained(tmp_path / "model").config.width == 16
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


# ---- The best weights ----


def judged(run, *scores):
    """Keep weights that are the step's number, after each (step, score)."""
    for step, score in scores:
        run.keep_best(score, step, {"weight": torch.full((2,), float(step))})
    return float(run.best()["weight"][0])


def test_the_weights_of_the_lowest_score_are_kept(run):
    assert judged(run, (10, 3.0), (20, 1.0), (30, 2.0), (40, 1.0)) == 20  # of equals the first
    assert judged(run, (50, 0.5)) == 50


def test_a_best_of_a_step_since_forgotten_is_no_rival(run):
    """The run was interrupted after step 40 and goes on from a checkpoint of step 20."""
    assert judged(run, (10, 3.0), (40, 1.0), (30, 2.0)) == 30
    assert judged(run, (40, 1.0), (50, 4.0)) == 40
    assert judged(run, (50, 4.0)) == 40  # nor does doing a step again change anything


def test_the_best_comes_back_bit_by_bit_and_leaves_nothing_temporary(run):
    before = {path.name for path in run.folder.iterdir()}
    weights = parts(2)["module"] | {"transposed": parts(2)["ema"]["transposed"]}
    for step in (1, 2):
        run.keep_best(1 / step, step, weights)
    assert {path.name for path in run.folder.iterdir()} - before == {"best.safetensors"}
    found = Run.best(run)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) and found[name].dtype == weights[name].dtype for name in found)
