import contextlib
import json
import os
import resource
import shutil

import pytest
import torch

from cohort.code_version import code_version
from cohort.disk import PARTIAL
from cohort.errors import InputError
from cohort.provenance import settings_sha256
from models.ecg_encoder import ECGEncoder
from training.checkpoint import damaged
from training.run import KEPT_CHECKPOINTS, Run, finish, is_finished

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


def add_a_file(folder):
    shutil.copy(folder / "ema.safetensors", folder / "more.safetensors")


def take_the_manifest_before(folder):
    shutil.copy(folder.with_name("step_00000001") / "manifest.json", folder)


def forget_a_sum(folder):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["sha256"]["ema.safetensors"]
    path.write_text(json.dumps(manifest))


def zero(folder):
    """A power cut before the data were written."""
    path = folder / "module.safetensors"
    path.write_bytes(bytes(path.stat().st_size))


FILES = [truncate, flip_a_bit, empty, zero, lose_a_file, add_a_file]
DAMAGES = [*FILES, lose_the_manifest, tear_the_manifest, take_the_manifest_before, forget_a_sum]


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


def test_a_damaged_checkpoint_takes_no_place_among_those_that_are_kept(run):
    """Else the good one would be rotated away when the damaged one is of a later step."""
    flip_a_bit(checkpoint(run, 2))
    assert run.load()[0] == 1
    for step in (3, 4):
        run.save(step, parts(step))
    assert {path.name for path in run.checkpoints.iterdir()} == {
        "damaged_step_00000002",
        "step_00000003",
        "step_00000004",
    }


def test_what_is_loaded_does_not_hang_on_the_file(run):
    """A memory-mapped tensor would: its file is rotated away, and on NFS cannot be."""
    _, found = run.load()
    with (checkpoint(run, 2) / "module.safetensors").open("r+b") as file:
        file.write(bytes(os.fstat(file.fileno()).st_size))
    assert torch.equal(found["module"]["weight"], parts(2)["module"]["weight"])


def test_it_never_starts_anew_in_silence(run):
    flip_a_bit(checkpoint(run, 1))
    truncate(checkpoint(run, 2))
    with pytest.raises(InputError, match="every checkpoint is damaged"):
        run.load()


def test_a_checkpoint_torn_while_being_written_is_not_one(run):
    shutil.copytree(checkpoint(run, 2), run.checkpoints / f"{PARTIAL}0a1b2c3d-step_00000003")
    assert run.load()[0] == 2
    run.save(3, parts(3))  # over the leftover
    assert run.load()[0] == 3


def test_what_killed_saves_have_left_goes_at_the_next_start(tmp_path):
    for folder, name in ((tmp_path / "checkpoints", "step_00000003"), (tmp_path, "best.safetensors")):
        partial = folder / f"{PARTIAL}0a1b2c3d-{name}"
        partial.mkdir(parents=True)
        (partial / ".tmpAbCd12").write_bytes(b"half")
    Run(tmp_path, CONFIG)
    assert not list(tmp_path.rglob("*partial*"))


def test_old_checkpoints_go_when_newer_ones_are_there(run):
    for step in range(3, 6):
        run.save(step, parts(step))
    kept = sorted(path.name for path in run.checkpoints.iterdir())
    assert kept == [f"step_{step:08d}" for step in range(6 - KEPT_CHECKPOINTS, 6)]


def test_another_configuration_is_refused_with_the_difference(tmp_path):
    Run(tmp_path, CONFIG)  # nobody holds it, so its lock is free again
    with pytest.raises(InputError) as refusal:
        Run(tmp_path, CONFIG | {"steps": 20, "nested": {"slices": 12}})
    said = str(refusal.value)
    del refusal  # it holds the refused run, and that the lock
    assert "steps was 10, is 20" in said and "'slices': 12" in said
    assert "widths" not in said
    Run(tmp_path, CONFIG)  # the same one continues; a tuple is a list once it has been JSON


@pytest.mark.parametrize("lose", [os.unlink, lambda path: path.write_text('{"steps": 1')])
def test_checkpoints_whose_configuration_is_lost_are_not_continued(tmp_path, lose):
    Run(tmp_path, CONFIG).save(1, parts(1))
    lose(tmp_path / "config.json")
    with pytest.raises(InputError, match="config.json: is missing or damaged"):
        Run(tmp_path, CONFIG)


def test_settings_agreed_on_later_are_held_to_as_well(tmp_path):
    run = Run(tmp_path, CONFIG)
    run.agree("launch.json", {"processes": 2})
    run.agree("launch.json", {"processes": 2})
    with pytest.raises(InputError, match="processes was 2, is 1"):
        run.agree("launch.json", {"processes": 1})


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


def test_the_record_names_versions_configuration_and_code(run):
    run.goes_on(0)
    record = json.loads((run.folder / "environment.json").read_text())
    assert record["configuration_sha256"] == settings_sha256(CONFIG) and record["code_version"] == code_version()
    assert record["torch"] == torch.__version__.split("+")[0] or record["torch"] == torch.__version__
    assert json.loads((run.folder / "config.json").read_text()) == json.loads(json.dumps(CONFIG))


def test_a_finished_run_is_known_by_its_report_and_model_and_an_earlier_model_is_set_aside(run, capsys):
    assert not is_finished(run.folder, CONFIG)
    for width in (8, 16):
        finish(run, ECGEncoder(width=width, layers=1, heads=2), {"psnr_db": 30.0})
    assert ECGEncoder.from_pretrained(run.folder / "model").config.width == 16
    assert ECGEncoder.from_pretrained(run.folder / "model-earlier-1").config.width == 8
    assert capsys.readouterr().out.count("model-earlier-1") == 1
    assert is_finished(run.folder, CONFIG) and not is_finished(run.folder, CONFIG | {"steps": 12})
    shutil.rmtree(run.folder / "model")
    assert not is_finished(run.folder, CONFIG)


# ---- Longer runs ----

LONGER = CONFIG | {"steps": 20}


def closed(run):
    """The folder of a run that nobody holds any more."""
    run._held.release()
    return run.folder


def reopened(folder, config):
    return Run(folder, config, lengths=("steps",))


def test_a_run_may_become_longer_and_says_what_becomes_of_the_learning_rate(run, capsys):
    folder = closed(run)
    assert reopened(folder, LONGER).done == 2
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}: 20 steps now, 10 before; from step 2 on the learning rate is that of a run of 20 steps"
    ]
    assert json.loads((folder / "config.json").read_text())["steps"] == 20
    reopened(folder, LONGER)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("steps", [1, 2])
def test_a_run_does_not_become_shorter_than_it_is(run, steps):
    folder = closed(run)
    with pytest.raises(InputError, match="has done 2 steps, of 10 planned.*give 10 again, or more than 2"):
        reopened(folder, CONFIG | {"steps": steps})
    assert json.loads((folder / "config.json").read_text())["steps"] == 10
    assert reopened(folder, CONFIG | {"steps": 3}).done == 2


def test_nothing_but_its_length_may_change(run):
    folder = closed(run)
    with pytest.raises(InputError, match="widths was") as refusal:
        reopened(folder, LONGER | {"widths": (8,)})
    assert "steps was" not in str(refusal.value)


# ---- Other code ----


def test_other_code_is_told_in_one_line_and_the_record_keeps_both(run, monkeypatch, capsys):
    run.goes_on(0)
    first = run.record()
    run.goes_on(2)
    assert run.record() == first and capsys.readouterr().out == ""
    monkeypatch.setattr("cohort.provenance.code_version", lambda: "other")
    run.goes_on(40)
    assert run.record() == first | {"continued": [{"from_step": 40, "code_version": "other"}]}
    (said,) = capsys.readouterr().out.splitlines()
    assert "goes on from step 40 with other code" in said and f"was {code_version()}, is other" in said
    assert run.code_versions() == f"{code_version()}; from step 40 on other"
    run.goes_on(50)  # the same as at step 40
    assert len(run.record()["continued"]) == 1 and capsys.readouterr().out == ""
    monkeypatch.undo()
    run.goes_on(60)
    assert [part["from_step"] for part in run.record()["continued"]] == [40, 60]


def test_opening_a_run_writes_nothing_anew(run):
    def state():
        return {path: path.stat().st_mtime_ns for path in run.folder.rglob("*") if path.is_file()}

    run.goes_on(0)
    run.log(1, loss=0.5)
    before = state()
    again = Run(closed(run), CONFIG)
    again.load()
    assert state() == before


# ---- Disks ----


@contextlib.contextmanager
def files_of_at_most(size):
    """A full disk, as far as one process can have one of its own."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


LARGE = {"module": {"weight": torch.ones(2000)}, "optimizer": {"moment": torch.ones(5000)}}  # 8 and 20 kB


@pytest.mark.parametrize("size", [0, 100, 4000, 9000, 20_000])
def test_a_full_disk_is_told_with_the_bytes_needed_and_costs_nothing_saved(run, size):
    before = {path.name for path in run.folder.rglob("*")}
    with (
        files_of_at_most(size),
        pytest.raises(InputError, match=r"cannot be written .*28_000 bytes are needed") as told,
    ):
        run.save(3, LARGE)
    assert "same command continues" in str(told.value)
    assert {path.name for path in run.folder.rglob("*")} == before
    assert run.load()[0] == 2
    run.save(3, LARGE)
    assert run.load()[0] == 3


def test_a_full_disk_leaves_the_best_weights_as_they_were(run):
    run.keep_best(2.0, 1, LARGE["module"])
    with files_of_at_most(4000), pytest.raises(InputError, match="8_000 bytes are needed"):
        run.keep_best(1.0, 2, {"weight": torch.zeros(2000)})
    assert torch.equal(run.best()["weight"], LARGE["module"]["weight"])
    with files_of_at_most(10), pytest.raises(InputError, match="cannot be written"):
        run.log(1, loss=1.0)
    assert run.load()[0] == 2


def test_a_disk_too_small_for_the_checkpoints_to_come_is_refused_at_the_start(run, tmp_path):
    run.require_space(1000)
    with pytest.raises(InputError, match=r"need 2_000_000_000_000_000 bytes and [0-9_]+ are free"):
        run.require_space(10**15)  # one more checkpoint, and the best weights: the other place is taken
    with pytest.raises(InputError, match="need 4_000_000_000_000_000 bytes"):
        Run(tmp_path / "fresh", CONFIG).require_space(10**15)
    Run(tmp_path / "other", CONFIG, main=False).require_space(10**15)  # it writes nothing


def test_a_folder_nobody_may_write_to_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="is a file, where a folder"):
        Run(tmp_path / "file" / "run", CONFIG)


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


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, empty])
def test_damaged_best_weights_are_refused(run, damage, tmp_path):
    run.keep_best(1.0, 1, parts(1)["module"])
    for name in ("module", "ema"):  # the names the damages know
        shutil.copy(run.folder / "best.safetensors", tmp_path / f"{name}.safetensors")
    damage(tmp_path)
    damaged_one = "ema" if damage is flip_a_bit else "module"
    shutil.copy(tmp_path / f"{damaged_one}.safetensors", run.folder / "best.safetensors")
    with pytest.raises(InputError, match="best.safetensors: is damaged"):
        run.best()
    with pytest.raises(InputError, match="is damaged"):
        run.keep_best(0.5, 2, parts(1)["module"])


def test_without_a_finite_score_there_is_no_best(run):
    run.keep_best(float("nan"), 1, parts(1)["module"])
    with pytest.raises(InputError, match="no validation loss was finite"):
        run.best()
