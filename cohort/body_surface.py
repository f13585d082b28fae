"""The surface of a body, by which volumes of large and small people are compared."""

from .person import Person

FORMULA = "Du Bois and Du Bois, Arch Intern Med 1916;17:863"


def body_surface_m2(person: Person) -> float | None:
    """Surface in m2 by FORMULA: 0.007184 x weight (kg) ^ 0.425 x height (cm) ^ 0.725.

    Returns:
        None without height or weight.
    """
    if person.height_cm is None or person.weight_kg is None:
        return None
    return 0.007184 * person.weight_kg**0.425 * person.height_cm**0.725
