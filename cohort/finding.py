"""One objection to a recording, in a code and in words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One objection.

    Attributes:
        code: what it is, for counts and filters: ecg_..., mri_..., visit_... or table_...
            It is the same for every lead and slice.
        words: a sentence for a person.
    """

    code: str
    words: str
