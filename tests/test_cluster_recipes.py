"""The recipes of docs/cluster.md can be pasted: nothing in them is to be filled in, and tasks do not meet."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text(encoding="utf-8")
RECIPES = [re.sub("^    ", "", code, flags=re.MULTILINE) for code in re.findall(r"(?:^ {4}.*\n)+", PAGE, re.MULTILINE)]
TASK = "$SLURM_ARRAY_TASK_ID"


def recipe_with(*words: str) -> str:
    (found,) = (code for code in RECIPES if all(word in code for word in words))
    return found


def test_no_recipe_holds_a_gap_to_fill_in():
    assert len(RECIPES) > 8 and [code for code in RECIPES if re.search(r"<[a-z ]+>", code)] == []


def test_the_join_waits_for_the_number_that_slurm_gave_the_array():
    assert "--dependency=afterok:$(sbatch --parsable prepare.sh)" in recipe_with("join.sh", "sbatch")
    assert "# prepare.sh" in recipe_with("cohort.prepare", f"--part {TASK}/64") and "--array=1-64" in PAGE


def test_tasks_of_an_array_that_samples_share_no_folder():
    said = recipe_with("sample.py", "--array")
    assert re.search(rf"--output \S*{re.escape(TASK)}$", said, re.MULTILINE) and f"Resting/{TASK}" in said


def test_the_archive_unpacks_into_a_folder_of_its_own_which_is_entered():
    assert "--prefix ecg-to-mri/" in recipe_with("git archive")
    unpacked = [line for code in RECIPES for line in code.splitlines() if "tar xf" in line]
    assert len(unpacked) == 2 and all(line.endswith("ecg-to-mri.tar.gz && cd ecg-to-mri") for line in unpacked)


def test_what_is_uploaded_to_the_platform_is_what_its_recipes_read():
    section = PAGE[PAGE.index("## UK Biobank's research platform") : PAGE.index("## Containers")]
    uploaded = set(re.findall(r"dx upload (?:--recursive )?(\S+) --path (/\w+/)", section))
    read = re.findall(r"/mnt/project(/\w+/)([\w.-]+)", section)
    assert {(name, place) for place, name in read} == uploaded and len(uploaded) == 4
    assert "python3 --version" in section and "train_diffusion.py" in section


def test_how_to_install_without_a_network_stands_before_any_platform():
    assert PAGE.count("pip download") == 1
    assert PAGE.index("pip download") < PAGE.index("pip install --no-index") < PAGE.index("## Prepare a large cohort")
