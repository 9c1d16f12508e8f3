"""A model's name or folder -> where it lies and its fingerprint; Hugging Face's libraries kept offline and quiet."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from assistant.errors import ModelUnavailable


def located(model: str, kind: str) -> tuple[str, str]:
    """(folder or hub name, fingerprint). `kind` says in errors what sort of model is meant. Raises ModelUnavailable.

    A folder's fingerprint holds the sha256 of its weights; a hub name is its own.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        weights = sorted([*path.glob("*.safetensors"), *path.glob("*.bin")])
        if not weights:
            raise ModelUnavailable(f"no model weights in {path}; name a {kind} folder")
        return str(path), f"{path.name}@{_sha256_of_all(weights)[:16]}"
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise ModelUnavailable(f"there is no folder {path}; name a {kind} folder or a hub model")
    return model, model


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of_all(paths: list[Path]) -> str:
    """Of one file its own; large models lie in several."""
    hashes = [sha256(path) for path in paths]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def prepared() -> bool:
    """Sets the environment for Hugging Face's libraries, before their import; returns whether to stay offline.

    A hub name without a network would hang for a minute: offline unless the user asks for a download.
    """
    offline = os.environ.setdefault("HF_HUB_OFFLINE", "1") != "0"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # "Loading weights" would be drawn over our own progress.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    return offline


def unloadable(model: str, kind: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"the {kind} {model!r} cannot be loaded; name a folder or a hub model, "
        "and allow its download with HF_HUB_OFFLINE=0"
    )
