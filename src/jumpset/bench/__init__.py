"""Comparison of methods on images with known truths, for ``jumpset bench``."""

from __future__ import annotations

from jumpset.bench._candidates import Candidate, candidates
from jumpset.bench._published import PUBLISHED, PUBLISHED_INPUT_PSNR
from jumpset.bench._records import ENERGY_WEIGHT, INPUT, Record, failed, make_record
from jumpset.bench._run import output_path, run_one, run_pairs
from jumpset.bench._summary import Row, summarize

__all__ = [
    "ENERGY_WEIGHT",
    "INPUT",
    "PUBLISHED",
    "PUBLISHED_INPUT_PSNR",
    "Candidate",
    "Record",
    "Row",
    "candidates",
    "failed",
    "make_record",
    "output_path",
    "run_one",
    "run_pairs",
    "summarize",
]
