"""The page that gradio serves: fields on top, the heart below. It loads nothing from outside."""

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, ListFiles

from cohort.ecg_formats import ECG_SUFFIXES, SIDECARS
from cohort.errors import InputError
from sampling.outputs import RECORD
from sampling.red_line import RED_LINE

from .artist import Artist, Asked, Shown
from .examples import CHOSEN, Example
from .page_folders import PageFolders
from .uploads import Upload
from .words import FEWER, ODD_FILES, RATE, refusal

TITLE = "A heart from an ECG"
NOTHING_KEPT = "What you drop stays on the machine that serves this page, and is deleted when you close it."
NEITHER = "not told"
EMPTY = "–"
BEGIN = "Drop an ECG, or choose a simulated patient."
REFUSED = "said refused"  # the class of a refusal
SEX = {NEITHER: None, "female": "female", "male": "male"}
STYLE = Path(__file__).with_suffix(".css")
SYSTEM_FONTS = ["system-ui", "sans-serif"]  # of the reader's machine: none is fetched
THEME = gr.themes.Default(font=SYSTEM_FONTS, font_mono=["ui-monospace", "monospace"]).set(
    body_text_color_subdued="#525252", block_info_text_color="#525252", input_placeholder_color="#666666"
)  # at least 5 to 1 on white
SCREEN_READERS = gr.I18n(en={"common.complete": "done"})  # what gradio lacks and would tell by its key


def upload_field(label: str, elem_id: str) -> gr.File:
    """A field for files, which gives a list of `Upload`: gradio itself tells nobody what their owner calls them."""
    field = gr.File(label=label, file_count="multiple", elem_id=elem_id, height=150)
    field.preprocess = uploads_of  # a class of its own would have gradio write a .pyi beside this file
    return field


def uploads_of(payload: ListFiles | FileData | None) -> list[Upload]:
    """The files of a field; none is an empty list."""
    files = payload if isinstance(payload, ListFiles) else [payload] if payload else []
    return [Upload(Path(file.path), file.orig_name or Path(file.path).name) for file in files]


def layout(artist: Artist, folders: PageFolders, examples: list[Example]) -> gr.Blocks:
    """The page with all it does.

    Args:
        folders: in the folder that gradio keeps uploads in (GRADIO_TEMP_DIR).
        examples: simulated patients to choose from; none hides the field.
    """
    by_words = {example.words: example for example in examples}

    def opened(request: gr.Request) -> tuple:
        folders.open(request.session_hash)
        return (None,) * 4  # gradio shows 0 in a number that was never set

    def closed(request: gr.Request) -> None:
        folders.close(request.session_hash)

    def dropped(uploads: list[Upload], said: str, request: gr.Request) -> object:
        folders.hold(request.session_hash, [upload.path for upload in uploads])
        return without_refusal(said)

    def ecg_dropped(uploads: list[Upload], said: str, settled: bool, request: gr.Request) -> tuple:
        """No example is chosen any more. Person and MRI of an earlier heart, or of an example, are not this one's."""
        person = (None, NEITHER, None, None, None) if settled else (gr.skip(),) * 5
        return dropped(uploads, said, request), None, False, *person

    def chosen(words: str, said: str) -> tuple:
        who = by_words[words].person
        return without_refusal(said), None, True, None, who.sex, who.age_years, who.height_cm, who.weight_kg

    def draw(ecg, example, mri, sex, age, height, weight, rate, fewer, request: gr.Request) -> Iterator[tuple]:
        files = ecg or [Upload(by_words[name].ecg, by_words[name].ecg.name) for name in [example] if name]
        asked = Asked(files, mri, SEX[sex], age, height, weight, rate, fewer)
        called = "" if ecg else example or ""
        yield from drawn_or_refused(artist, folders, asked, request.session_hash, called)

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.HTML(f'<h1>{TITLE}</h1><p class="red" role="note">{RED_LINE}</p><p>{NOTHING_KEPT}</p>')
        with gr.Row():
            with gr.Column():
                ecg = upload_field("A resting 12-lead ECG", "ecg")
                gr.HTML(f"<small>{', '.join((*ECG_SUFFIXES, *SIDECARS))}. Drop a header with its data.</small>")
                example = gr.Radio(
                    list(by_words),
                    label="or a simulated patient",
                    info=f"Choosing one fills in sex, age, height and weight. Then draw the heart. {CHOSEN}",
                    visible=bool(examples),
                    elem_id="example",
                )
            with gr.Column():
                sex = gr.Radio(
                    list(SEX),
                    value=NEITHER,
                    label="Sex",
                    info="Leave empty what you do not know. It is then taken from the ECG's file, if that tells it.",
                )
                with gr.Row():
                    age = gr.Number(label="Age, years", placeholder=EMPTY, elem_id="age", min_width=90)
                    height = gr.Number(label="Height, cm", placeholder=EMPTY, elem_id="height", min_width=90)
                    weight = gr.Number(label="Weight, kg", placeholder=EMPTY, elem_id="weight", min_width=90)
                with gr.Accordion(ODD_FILES, open=False):
                    mri = upload_field("Short-axis cine: NIfTI, or DICOM as a zip", "mri")
                    rate = gr.Number(label=f"{RATE}, Hz, of .npy and .csv", placeholder=EMPTY, elem_id="rate")
                    fewer = gr.Checkbox(label=FEWER)
        button = gr.Button("Draw the heart", variant="primary", elem_id="draw")
        said = gr.HTML(said_html(BEGIN), elem_id="said")
        heart = gr.HTML(elem_id="heart")
        files = gr.File(label="To keep", file_count="multiple", interactive=False, visible=False, elem_id="files")

        settled = gr.State(False)  # whether the person in the fields is that of a heart or of an example
        person = [settled, mri, sex, age, height, weight]

        page.load(opened, None, [age, height, weight, rate], show_progress="hidden")
        page.unload(closed)
        ecg.upload(ecg_dropped, [ecg, said, settled], [said, example, *person], show_progress="hidden")
        mri.upload(dropped, [mri, said], said, show_progress="hidden")
        example.input(chosen, [example, said], [said, ecg, *person], show_progress="hidden")
        fields = [ecg, example, mri, sex, age, height, weight, rate, fewer]
        button.click(draw, fields, [said, heart, files, settled], concurrency_limit=1, show_progress_on=said)
    return page


def drawn_or_refused(
    artist: Artist, folders: PageFolders, asked: Asked, page: str, called: str = ""
) -> Iterator[tuple]:
    """What the page shows while a heart is drawn, and then: what is said, heart, files, whether the heart is drawn.

    A refusal is said in words, and clears away the heart before it, which was another's.

    Args:
        called: what stands above the heart; empty leaves it to the page.
    """
    place = folders.root
    try:
        with folders.drawing(page) as place:
            for step in artist.draw(asked, place):
                yield shown(step, called) if isinstance(step, Shown) else only_said(f"{step} ...")
    except InputError as fault:
        yield only_said(refusal(fault, place), refused=True)
    except Exception as error:  # its words may hold a file's name, and a traceback its content
        print(f"error: {type(error).__name__} in {place_of(error)}", file=sys.stderr)
        words = f"{type(error).__name__}: a fault of ours. Try sample.py with the same file, and tell us."
        yield only_said(words, refused=True)


def shown(drawn: Shown, called: str = "") -> tuple:
    """A heart that is drawn, as the page shows it."""
    files = gr.update(value=[str(path) for path in drawn.files], visible=True)
    return said_html(told(drawn)), heart_html(drawn.page, called), files, True


def only_said(words: str, refused: bool = False) -> tuple:
    """Words in place of a heart."""
    return said_html(words, refused), "", gr.update(value=None, visible=False), gr.skip()


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
    kind, role = (REFUSED, "alert") if refused else ("said", "status")
    return f'<div class="{kind}" role="{role}">{"Refused: " if refused else ""}{escape(words)}</div>'


def without_refusal(said: str) -> object:
    """What is said once another file is chosen: a refusal was of the one before, and anything else stays."""
    return said_html(BEGIN) if REFUSED in said else gr.skip()


def heart_html(page: str, called: str = "") -> str:
    """A patient's page in a frame of its own, which runs its film and reaches nothing else: its link is made words."""
    page = page.replace(f'<a href="{RECORD}">{RECORD}</a> beside this page', f"{RECORD}, among the files to keep,")
    title = f"<h2>{escape(called)}</h2>" if called else ""
    return f'{title}<iframe class="heart" title="The heart" sandbox="allow-scripts" srcdoc="{escape(page)}"></iframe>'
