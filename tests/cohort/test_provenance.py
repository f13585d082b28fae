"""The same settings have the same hash, however they are written down; others another."""

from cohort.code_version import code_version
from cohort.provenance import made_by, settings_sha256


def test_the_order_of_settings_is_no_setting():
    assert settings_sha256({"steps": 2, "stages": {"a": 1, "b": 2}}) == settings_sha256(
        {"stages": {"b": 2, "a": 1}, "steps": 2}
    )


def test_another_value_or_another_name_is_another_configuration():
    found = {settings_sha256(settings) for settings in ({"steps": 2}, {"steps": 3}, {"pairs": 2}, {"steps": "2"}, {})}
    assert len(found) == 5 and all(len(digest) == 64 for digest in found)


def test_a_record_names_configuration_and_code():
    assert made_by({"steps": 2}) == {
        "configuration_sha256": settings_sha256({"steps": 2}),
        "code_version": code_version(),
    }
