"""The trained component, loaded: texts in, spans that look like names of drugs out."""

from __future__ import annotations

from pathlib import Path

from spacy.language import Language
from spacy.pipeline import EntityRecognizer
from spacy.util import load_config, load_model_from_config

from config.errors import UsageError
from extract.trained.data import LABEL

CONFIG = Path(__file__).parent / "config.cfg"
WEIGHTS = Path(__file__).parent / "weights.bin"
SCORES = Path(__file__).parent / "scores.json"


def load_trained(weights: Path = WEIGHTS) -> Language:
    """A pipeline of its own (tokenizer and recogniser). Raises UsageError: the weights are missing or not of this
    configuration."""
    nlp = load_model_from_config(load_config(CONFIG), auto_fill=True)
    ner = nlp.get_pipe("ner")
    assert isinstance(ner, EntityRecognizer)
    try:
        ner.from_bytes(weights.read_bytes(), exclude=["vocab"])
        if LABEL not in ner.labels:
            raise ValueError("no weights of this component")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"The trained component cannot be loaded ({error}).", file=weights,
            remedy="Install Dropline again, or train it: python -m extract.trained.train --data FOLDER",
        ) from error  # fmt: skip
    return nlp
