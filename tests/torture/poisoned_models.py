"""Row D1: model folders that carry code, are mislabelled or incomplete: no code runs, and none loads in part.

    python tests/torture/poisoned_models.py [--quick]

Each case is a copy of a good pipeline with one thing changed. It is opened under an audit hook, which notes every
import from the folder, pickle, process and connection. Every payload would leave a mark on disk. Prints Markdown rows;
--quick leaves out the scripts that open such folders (sample.py, evaluate_samples.py, train_ceiling.py).
"""

import argparse
import importlib
import io
import json
import os
import shutil
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.torture.tiny import forked, table_row, tiny_cohort, tiny_pipeline

WEIGHTS = "diffusion_pytorch_model.safetensors"
WATCHED = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect")
WATCHED += ("ctypes.dlopen", "shutil.rmtree", "os.remove")
CODE_EVENTS, CODE = ("import", "compile", "exec"), (".bin", ".pkl", ".ckpt", ".pt", ".py", ".so", ".npy")
Poison = Callable[[Path, Path], None]  # (pipeline folder, a folder outside it)


# ---- Poisons ----


def hostile_code(mark: Path) -> str:
    return f"from pathlib import Path\nPath({str(mark)!r}).touch()\n"


def pickled(mark: Path) -> bytes:
    """A checkpoint as torch.save writes it; unpickled, it runs a command that leaves a mark."""
    payload = f"cposix\nsystem\n(S'touch {mark}'\ntR."  # pickle's own machine code, protocol 0: a call of os.system
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
    return content.getvalue()


def edited(path: Path, change: Callable[[dict], object]) -> None:
    about = json.loads(path.read_text())
    change(about)
    path.write_text(json.dumps(about))


def retensored(path: Path, change: Callable[[dict], object]) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def carrying(name: str, instead: bool = False) -> Poison:
    """A pickle, or code, beside the weights or in their place."""

    def poison(folder: Path, outside: Path) -> None:
        path, mark = folder / name, outside / "ran"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hostile_code(mark).encode() if path.suffix == ".py" else pickled(mark))
        if instead:
            (path.parent / WEIGHTS).unlink()

    return poison


def sharded(shard: str) -> Poison:
    """An index that names more files of weights; diffusers opens them by their suffix, pickles included."""

    def poison(folder: Path, outside: Path) -> None:
        from safetensors.numpy import load_file

        part = folder / "denoiser"
        where = dict.fromkeys(load_file(part / WEIGHTS), shard)
        target = part / shard
        if shard.endswith("safetensors"):
            shutil.move(part / WEIGHTS, target)
        else:
            (part / WEIGHTS).unlink()
            target.write_bytes(pickled(outside / "ran"))
        index = {"metadata": {"total_size": 1}, "weight_map": where}
        (part / f"{WEIGHTS}.index.json").write_text(json.dumps(index))

    return poison


def config(part: str, **entries: object) -> Poison:
    return lambda folder, _: edited(folder / part / "config.json", lambda about: about.update(entries))


def index(**entries: object) -> Poison:
    return lambda folder, _: edited(folder / "model_index.json", lambda about: about.update(entries))


def tensors(part: str, change: Callable[[dict], object]) -> Poison:
    return lambda folder, _: retensored(folder / part / WEIGHTS, change)


def linked(name: str) -> Poison:
    def poison(folder: Path, outside: Path) -> None:
        shutil.move(folder / name, outside / "moved")
        (folder / name).symlink_to(outside / "moved")

    return poison


def with_header(change: Callable[[dict], object]) -> Poison:
    """Another header of a safetensors file before the same bytes."""

    def poison(folder: Path, _: Path) -> None:
        path = folder / "prior" / WEIGHTS
        content = path.read_bytes()
        length = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8 : 8 + length])
        change(header)
        packed = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(packed)) + packed + content[8 + length :])

    return poison


def first(found: dict) -> str:
    """A tensor's name, of tensors or of a header of them."""
    return min(name for name in found if name != "__metadata__")


def halved_offsets(header: dict) -> None:
    header[first(header)]["data_offsets"][1] //= 2


def poisons() -> Iterator[tuple[str, Poison]]:
    """All poisons; each has to be refused."""
    for name in (
        "denoiser/diffusion_pytorch_model.bin",
        "denoiser/pytorch_model.bin",
        "prior/model.ckpt",
        "weights.pt",
    ):
        yield f"pickle {name} beside", carrying(name)
        yield f"pickle {name} in place", carrying(name, instead=name.count("/") == 1)
    for name in ("a.pkl", "a.pth", "a.joblib", "a.npy", "a.npz", "scheduler/x.pickle", "segmenter/weights.bin"):
        yield f"file {name}", carrying(name)
    for name in (
        "pipeline.py",
        "denoiser/denoiser.py",
        "denoiser/__init__.py",
        "scheduler/custom.py",
        "models/conditioning.py",
    ):
        yield f"code {name}", carrying(name)
    for name in ("a.so", "a.pyc", "setup.cfg", "denoiser/model.onnx", "denoiser/diffusion_pytorch_model.gguf", "a.pdf"):
        yield f"file {name}", carrying(name)
    for shard in ("shard.safetensors", "shard.bin", "../shard.bin", "../../shard.safetensors"):
        yield f"shards named {shard}", sharded(shard)
    for part in ("denoiser", "conditioner", "autoencoder"):
        yield f"{part}: auto_map", config(part, auto_map={"AutoModel": "evil.Evil"})
        yield f"{part}: trust_remote_code", config(part, trust_remote_code=True)
        yield f"{part}: class os.system", config(part, _class_name="os.system")
        yield f"{part}: class of another part", config(part, _class_name="HeartPrior")
        yield f"{part}: quantisation", config(part, quantization_config={"quant_method": "bitsandbytes"})
    yield "denoiser: layers that are code", config("denoiser", layers="__import__('os')")
    yield "denoiser: width of text", config("denoiser", widths="evil")
    yield "denoiser: other widths", config("denoiser", widths=[16, 32])
    yield "denoiser: widths beyond memory", config("denoiser", widths=[2**22, 2**22])
    yield "prior: width of nothing", config("prior", width=None)
    yield "ecg_encoder: heads 0", config("ecg_encoder", heads=0)
    yield "conditioner: components -1", config("conditioner", components=-1)
    for module, name in (("os", "system"), ("subprocess", "Popen"), ("builtins", "exec"), ("pipeline", "Evil")):
        for entry in ("denoiser", "conditioner", "scheduler", "safety_checker"):
            yield f"index: {entry} is {module}.{name}", index(**{entry: [module, name]})
    yield "index: the pipeline's class is another", index(_class_name="StableDiffusionPipeline")
    yield "index: the pipeline's class is code", index(_class_name=["pipeline", "Evil"])
    yield "index: scheduler of diffusers that is none", index(scheduler=["diffusers", "AutoencoderKL"])
    yield "index: scheduler is a path", index(scheduler=["diffusers", "../../evil"])
    yield "index: scheduler is private", index(scheduler=["diffusers", "__builtins__"])
    yield "index: geometry of text", index(geometry={"slices": "os.system('x')"})
    yield "index: geometry unknown", index(geometry={"command": 1})
    yield "index: limits of two leads", index(ecg_limits=[[0, 1], [0, 1]])
    yield "index: guidance of text", index(guidance_scale="1")
    for name, size in (("pixel_mm", 1000.0), ("slices", 10**6), ("slices", 2.5), ("pixel_mm", float("nan"))):
        yield f"index: geometry with {name} {size}", index(geometry={name: size})
    yield "index: limits that are not numbers", index(ecg_limits=[[0.0, float("nan")]] * 12)
    yield "index: taught by nobody known", index(trained_on="people")
    for values in ([0.0] * 4, [1.0] * 3, [float("nan")] * 4, [1e300] * 4, None):
        yield f"autoencoder: spread {values}", config("autoencoder", latents_std=values)
    yield "conditioner: person of no spread", config("conditioner", person_std=[0.0] * 4)
    yield "prior: spread 1e300", config("prior", spread=[1e300] * 99)
    yield "ecg_encoder: 0 Hz", config("ecg_encoder", sampling_rate=0)
    yield "index: a list", lambda folder, _: (folder / "model_index.json").write_text("[]")
    yield "index: nested deeply", lambda folder, _: (folder / "model_index.json").write_text("[" * 200_000)
    for part in ("denoiser", "conditioner", "prior", "ecg_encoder", "autoencoder"):
        yield f"{part}: a tensor missing", tensors(part, lambda found: found.pop(first(found)))
        yield f"{part}: a tensor too many", tensors(part, lambda found: found.update(evil=found[first(found)]))
        yield f"{part}: a tensor renamed", tensors(part, lambda found: found.update(evil=found.pop(first(found))))
        yield f"{part}: a tensor of another shape", tensors(part, lambda f: f.update({first(f): f[first(f)][..., :1]}))
        yield f"{part}: not a number", tensors(part, lambda f: f.update({first(f): f[first(f)] + float("nan")}))
        yield f"{part}: no weights", lambda folder, _, part=part: (folder / part / WEIGHTS).unlink()
        yield f"{part}: no configuration", lambda folder, _, part=part: (folder / part / "config.json").unlink()
        yield f"{part}: gone", lambda folder, _, part=part: shutil.rmtree(folder / part)
    yield "denoiser: no tensor at all", tensors("denoiser", dict.clear)
    yield (
        "denoiser: weights of the prior",
        lambda folder, _: shutil.copy(folder / "prior" / WEIGHTS, folder / "denoiser"),
    )
    for name in ("denoiser", "model_index.json", f"denoiser/{WEIGHTS}", "conditioner/config.json"):
        yield f"link out: {name}", linked(name)
    yield "link to a device", lambda folder, _: (folder / "denoiser" / "note.txt").symlink_to("/dev/zero")
    yield "a pipe", lambda folder, _: os.mkfifo(folder / "note.txt")
    yield "header: offsets that overlap", with_header(halved_offsets)
    yield "header: a shape beyond the file", with_header(lambda h: h[first(h)].update(shape=[2**40]))
    yield "header: an unknown type", with_header(lambda h: h[first(h)].update(dtype="OBJECT"))
    yield "header: longer than the file", lambda folder, _: _overwrite(folder, 0, struct.pack("<Q", 2**60))
    yield "header: negative length", lambda folder, _: _overwrite(folder, 0, b"\xff" * 8)
    yield "header: no JSON", lambda folder, _: _overwrite(folder, 8, b"\x80\x04\x95")
    yield (
        "a pickle named safetensors",
        lambda folder, out: (folder / "denoiser" / WEIGHTS).write_bytes(pickled(out / "ran")),
    )
    yield "empty weights", lambda folder, _: (folder / "denoiser" / WEIGHTS).write_bytes(b"")


def _overwrite(folder: Path, at: int, content: bytes) -> None:
    with (folder / "prior" / WEIGHTS).open("r+b") as file:
        file.seek(at)
        file.write(content)


def harmless() -> Iterator[tuple[str, Poison]]:
    """Additions without effect: they may load if exactly the same networks come out."""
    yield "nothing", lambda folder, _: None
    yield "hidden code, which nobody reads", carrying(".hidden/evil.py")
    yield "a card and a licence", lambda folder, _: (folder / "README.md").write_text("<script>alert(1)</script>")


# ---- The trial ----


class Watch:
    """Notes what the interpreter does while a folder is opened; a hook cannot be removed, only paused."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.folder is None:
            return
        about = repr(arguments)[:2000] if event in CODE_EVENTS else str(arguments[0]) if arguments else ""
        concerned = str(self.folder) in about and (event in CODE_EVENTS or (event == "open" and about.endswith(CODE)))
        if event in WATCHED or concerned:
            self.seen.append(f"{event} {about[-80:]}")


def opened(folder: Path, watch: Watch) -> tuple[str, dict[str, str] | None]:
    """How opening ended ("loaded", "refused" or the fault), and the sha256 of every tensor that was loaded."""
    from cohort.errors import InputError
    from models.segmenter import Segmenter
    from sampling.pipeline import PARTS, ECGToMRIPipeline, load_part

    watch.folder, watch.seen = folder, []
    try:
        pipeline = ECGToMRIPipeline.load(folder)
        networks = {name: getattr(pipeline, name) for name in PARTS}
        networks["segmenter"] = load_part(Segmenter, folder / "segmenter")
    except InputError as error:
        return ("refused" if "\n" not in str(error) else "more than a line"), None
    except BaseException as error:
        return f"{type(error).__name__}: {error}", None
    finally:
        watch.folder = None
    return "loaded", {name: _digest(network) for name, network in networks.items()}


def _digest(network) -> str:
    import hashlib

    state = sorted(network.state_dict().items())
    return hashlib.sha256(b"".join(k.encode() + v.numpy().tobytes() for k, v in state)).hexdigest()


def tried(good: Path, work: Path, name: str, poison: Poison, watch: Watch) -> tuple[str, dict | None]:
    """One case in a folder of its own; code that ran shows in the outcome."""
    case = work / "case"
    shutil.rmtree(case, ignore_errors=True)
    (case / "outside").mkdir(parents=True)
    shutil.copytree(good, case / "pipeline")
    poison(case / "pipeline", case / "outside")
    outcome, networks = opened(case / "pipeline", watch)
    ran = [*watch.seen, *(["the payload"] if (case / "outside" / "ran").exists() else [])]
    return (f"{outcome}, but ran: {ran}" if ran else outcome), networks


def in_process(good: Path, work: Path) -> list[bool]:
    watch = Watch()
    expected = opened(good, watch)[1]
    wrong = []
    cases = list(poisons())
    for name, poison in cases:
        outcome, _ = tried(good, work, name, poison, watch)
        if outcome != "refused":
            wrong.append(f"{name}: {outcome}")
    same = [tried(good, work, name, poison, watch) for name, poison in harmless()]
    unchanged = sum(outcome == "loaded" and networks == expected for outcome, networks in same)
    print("\n".join(wrong))
    (work / "case" / "outside" / "ran").unlink(missing_ok=True)
    live = _payload_works(work, watch)
    return [
        table_row("D1", "the trial notices a payload that does run", "yes", "yes" if live else "no", live),
        table_row(
            "D1",
            "poisoned folders refused in one line, no code run, nothing loaded",
            "all",
            f"{len(cases) - len(wrong)} of {len(cases)}",
            not wrong,
        ),
        table_row("D1", "harmless additions load the very same weights", "all", f"{unchanged} of 3", unchanged == 3),
    ]


def _payload_works(work: Path, watch: Watch) -> bool:
    """Test the trial itself: the hook sees a payload that is unpickled on purpose, and the payload leaves its mark."""
    mark = work / "ran"
    watch.folder, watch.seen = work, []
    with zipfile.ZipFile(io.BytesIO(pickled(mark))) as archive:
        importlib.import_module("pickle").loads(archive.read("archive/data.pkl"))
    watch.folder = None
    return mark.exists() and {"pickle.find_class", "os.system"} <= {seen.split()[0] for seen in watch.seen}


def by_scripts(good: Path, work: Path) -> bool:
    """A handful of poisons through every script that opens a pipeline: exit code 2, one line, no traceback."""
    data = tiny_cohort(work / "UKBB")
    wanted = (
        "pickle denoiser/diffusion",
        "code pipeline.py",
        "index: denoiser is os",
        "link out: denoiser",
        "a tensor missing",
    )
    chosen = [case for case in poisons() if any(word in case[0] for word in wanted)][:10]
    scripts = {
        "sample": ("--ecg", data / "ecg", "--steps", 1, "--samples", 1),
        "evaluate_samples": ("--data", data, "--samples", 1, "--steps", 1),
        "train_ceiling": ("--data", data, "--sizes", 4),
    }
    wrong = []
    for name, poison in chosen:
        for script, arguments in scripts.items():
            case = work / "scripts" / name.replace("/", "_").replace(" ", "_") / script
            (case / "outside").mkdir(parents=True)
            shutil.copytree(good, case / "pipeline")
            poison(case / "pipeline", case / "outside")
            done = forked(script, *arguments, "--pipeline", case / "pipeline", cwd=case)
            plain = done.said.count(b"error: ") == 1 and b"Traceback" not in done.said
            if done.code != 2 or not plain or (case / "outside" / "ran").exists() or (case / "out").exists():
                wrong.append(f"{script}, {name}: exit {done.code}\n{done.said.decode()[-2000:]}")
    print("\n".join(wrong))
    runs = len(chosen) * len(scripts)
    reached = f"{runs - len(wrong)} of {runs}"
    return table_row(
        "D1", "the same through sample, evaluate_samples, train_ceiling", "exit 2, all", reached, not wrong
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="poisoned-"))
    try:
        good = tiny_pipeline(work / "good" / "pipeline")
        met = in_process(good, work)
        if not options.quick:
            met.append(by_scripts(good, work))
        return int(not all(met))
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
