"""What every output says of its making, beside the seed and the weights: a hash of the settings, and the code."""

import hashlib
import json

from .code_version import code_version


def made_by(settings: dict) -> dict[str, str]:
    """configuration_sha256 and code_version, for a record.

    Args:
        settings: all that decides the output beside data and code, as JSON can hold it. No place on a disk.
    """
    return {"configuration_sha256": settings_sha256(settings), "code_version": code_version()}


def settings_sha256(settings: dict) -> str:
    """One hash of settings, whatever their order."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
