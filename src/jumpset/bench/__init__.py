"""Comparison of methods on images with known truths, for ``jumpset bench``."""

from jumpset.bench._candidates import Candidate as Candidate
from jumpset.bench._candidates import candidates as candidates
from jumpset.bench._published import PUBLISHED as PUBLISHED
from jumpset.bench._published import PUBLISHED_INPUT_PSNR as PUBLISHED_INPUT_PSNR
from jumpset.bench._records import COSTS as COSTS
from jumpset.bench._records import ENERGY_WEIGHT as ENERGY_WEIGHT
from jumpset.bench._records import INPUT as INPUT
from jumpset.bench._records import SCORES as SCORES
from jumpset.bench._records import Record as Record
from jumpset.bench._records import failed as failed
from jumpset.bench._records import make_record as make_record
from jumpset.bench._records import one_line as one_line
from jumpset.bench._run import output_path as output_path
from jumpset.bench._run import run_one as run_one
from jumpset.bench._run import run_pairs as run_pairs
from jumpset.bench._summary import Row as Row
from jumpset.bench._summary import summarize as summarize
