"""Put the tables of results/ into README.md, each between the two marks that name it.

python benchmarks/write_readme.py
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.disk import write_text

HERE = Path(__file__).parent
MARKED = re.compile(r"(<!-- (results/\w+\.md) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str, folder: Path) -> str:
    """The text, with each marked place holding what its file says now.

    Args:
        folder: in which results/ lies.
    """
    return MARKED.sub(lambda found: f"{found[1]}\n{(folder / found[2]).read_text().strip()}\n\n{found[3]}", text)


if __name__ == "__main__":
    readme = HERE / "README.md"
    write_text(readme, with_tables(readme.read_text(), HERE))
    print(f"written: {readme}")
