"""A table of results, as Markdown for readers and JSON for programs."""

from pathlib import Path

from cohort.disk import write_json, write_text


def markdown(rows: list[dict]) -> str:
    """Rows of the same keys as a Markdown table; numbers with three digits that count."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([_cell(row[c]) for c in columns] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_tables(
    folder: Path,
    name: str,
    machine: dict,
    tables: dict[str, list[dict]],
    note: str = "",
    more: dict | None = None,
) -> None:
    """`name`.md and `name`.json.

    Args:
        tables: rows by title.
        note: in words, above the tables.
        more: for the JSON alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{name}.json", {"machine": machine, "tables": tables, **(more or {})})
    about = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in machine.items() if key != "packages")
    packages = ", ".join(f"{key} {value}" for key, value in machine["packages"].items())
    parts = [f"Machine: {about}; {packages}.\n", *([note + "\n"] if note else [])]
    for title, rows in tables.items():
        parts += [f"**{title}**\n", markdown(rows)]
    write_text(folder / f"{name}.md", "\n".join(parts))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
