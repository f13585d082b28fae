"""The page that gradio serves: fields on top, the heart below. It loads nothing from outside."""

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, ListFiles

from cohort.ecg_formats import ECG_SUFFIXES, SIDECARS
from cohort.errors import InputError
from sampling.red_line import RED_LINE

from .artist import Artist, Asked, Shown
from .examples import Example
from .page_folders import PageFolders
from .uploads import Upload
from .words import refusal

TITLE = "A heart from an ECG"
NOTHING_KEPT = "What you drop stays on the machine that serves this page, and is deleted when you close it."
NEITHER = "not told"
SEX = {NEITHER: None, "female": "female", "male": "male"}
STYLE = """
.gradio-container { max-width: 82rem !important; margin: 0 auto !important; }
.red { color: #b00000; border: 2px solid #b00000; padding: .4rem .7rem; font-weight: 600; background: #fff; }
.said { min-height: 1.6rem; padding: .3rem .1rem; } .said.refused { border-left: 5px solid #b00000; padding-left: .7rem; }
iframe.heart { width: 100%; height: 85vh; min-height: 30rem; border: 1px solid #bbb; background: #fff; display: block; }
footer { display: none !important; }
"""
SYSTEM_FONTS = ["system-ui", "sans-serif"]  # of the reader's machine: none is fetched
THEME = gr.themes.Default(font=SYSTEM_FONTS, font_mono=["ui-monospace", "monospace"])

from gradio.events import Dependency

class Uploads(gr.File):
    """A field for files, which gives each with the name that its owner calls it by."""

    def preprocess(self, payload: ListFiles | FileData | None) -> list[Upload]:
        """The files (`Upload`); none is an empty list."""
        files = payload if isinstance(payload, ListFiles) else [payload] if payload else []
        return [Upload(Path(file.path), file.orig_name or Path(file.path).name) for file in files]
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block

    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

def layout(artist: Artist, folders: PageFolders, examples: list[Example]) -> gr.Blocks:
    """The page with all it does.

    Args:
        folders: in the folder that gradio keeps uploads in (GRADIO_TEMP_DIR).
        examples: simulated patients to choose from; none hides the field.
    """
    by_words = {example.words: example for example in examples}

    def opened(request: gr.Request) -> None:
        folders.open(request.session_hash)

    def closed(request: gr.Request) -> None:
        folders.close(request.session_hash)

    def dropped(uploads: list[Upload], request: gr.Request) -> None:
        folders.hold(request.session_hash, [upload.path for upload in uploads])

    def ecg_dropped(uploads: list[Upload], request: gr.Request) -> None:
        dropped(uploads, request)
        return None  # the example is no longer chosen

    def chosen(words: str) -> tuple:
        person = by_words[words].person
        return None, person.sex, person.age_years, person.height_cm, person.weight_kg

    def draw(ecg, example, mri, sex, age, height, weight, rate, fewer, request: gr.Request) -> Iterator[tuple]:
        files = ecg or [Upload(by_words[name].ecg, by_words[name].ecg.name) for name in [example] if name]
        asked = Asked(files, mri, SEX[sex], age, height, weight, rate, fewer)
        yield from drawn_or_refused(artist, folders, asked, request.session_hash)

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.HTML(f'<h1>{TITLE}</h1><p class="red" role="note">{RED_LINE}</p><p>{NOTHING_KEPT}</p>')
        with gr.Row():
            with gr.Column():
                ecg = Uploads(label="A resting 12-lead ECG", file_count="multiple", elem_id="ecg", height=150)
                gr.HTML(f"<small>{', '.join((*ECG_SUFFIXES, *SIDECARS))}. Drop a header with its data.</small>")
                example = gr.Radio(
                    list(by_words), label="or a simulated patient", visible=bool(examples), elem_id="example"
                )
            with gr.Column():
                sex = gr.Radio(
                    list(SEX), value=NEITHER, label="Sex", info="Of what is not told, the file's word counts."
                )
                with gr.Row():
                    age = gr.Number(label="Age, years", value=None, elem_id="age", min_width=90)
                    height = gr.Number(label="Height, cm", value=None, elem_id="height", min_width=90)
                    weight = gr.Number(label="Weight, kg", value=None, elem_id="weight", min_width=90)
                with gr.Accordion("The true MRI, and odd files", open=False):
                    mri = Uploads(
                        label="Short-axis cine: NIfTI, or DICOM as a zip",
                        file_count="multiple",
                        elem_id="mri",
                        height=150,
                    )
                    rate = gr.Number(label="Sampling rate, Hz, of .npy and .csv", value=None, elem_id="rate")
                    fewer = gr.Checkbox(label="Some chest leads may be absent")
        button = gr.Button("Draw the heart", variant="primary", elem_id="draw")
        said = gr.HTML(said_html("Drop an ECG, or choose a simulated patient."), elem_id="said")
        heart = gr.HTML(elem_id="heart")
        files = gr.File(label="To keep", file_count="multiple", interactive=False, visible=False, elem_id="files")

        page.load(opened)
        page.unload(closed)
        ecg.upload(ecg_dropped, ecg, example, show_progress="hidden")
        mri.upload(dropped, mri, show_progress="hidden")
        example.input(chosen, example, [ecg, sex, age, height, weight], show_progress="hidden")
        fields = [ecg, example, mri, sex, age, height, weight, rate, fewer]
        button.click(draw, fields, [said, heart, files], concurrency_limit=1, show_progress_on=said)
    return page

def drawn_or_refused(artist: Artist, folders: PageFolders, asked: Asked, page: str) -> Iterator[tuple]:
    """What the page shows while a heart is drawn, and then: (what is said, the heart, the files).

    A refusal is said in words, and clears the heart before it away: it was another's.
    """
    place = folders.root
    yield said_html("Waiting"), "", gr.update(visible=False)
    try:
        with folders.drawing(page) as place:
            for step in artist.draw(asked, place):
                if isinstance(step, Shown):
                    shown = gr.update(value=[str(path) for path in step.files], visible=True)
                    yield said_html(told(step)), heart_html(step.page), shown
                else:
                    yield said_html(f"{step} ..."), "", gr.update(visible=False)
    except InputError as fault:
        yield said_html(refusal(fault, place), refused=True), "", gr.update(visible=False)
    except Exception as error:  # its words may hold a file's name, and a traceback its content
        print(f"error: {type(error).__name__} in {place_of(error)}", file=sys.stderr)
        words = f"{type(error).__name__}: a fault of ours. Try sample.py with the same file, and tell us."
        yield said_html(words, refused=True), "", gr.update(visible=False)

def place_of(error: Exception) -> str:
    """The line of code where an error came from."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"

def told(shown: Shown) -> str:
    """What is said of a heart that is drawn."""
    count = len(shown.warnings)
    warned = (
        "There is no warning"
        if not count
        else f"{count} warnings stand first"
        if count > 1
        else "A warning stands first"
    )
    return f"Drawn in {shown.seconds:.0f} s. {warned}."

def said_html(words: str, refused: bool = False) -> str:
    """A line for the reader, who may listen: screen readers tell it."""
    kind, role = ("said refused", "alert") if refused else ("said", "status")
    return f'<div class="{kind}" role="{role}">{"Refused: " if refused else ""}{escape(words)}</div>'

def heart_html(page: str) -> str:
    """A patient's page in a frame of its own, which runs its film and reaches nothing else."""
    return f'<iframe class="heart" title="The heart" sandbox="allow-scripts" srcdoc="{escape(page)}"></iframe>'
