"""The one loop: runs a method, keeps time, history, limits, checkpoints and batches."""

from jumpset._core.types import Iteration as Iteration
from jumpset.running.registry import method as method
from jumpset.running.registry import methods as methods
from jumpset.running.run import Result as Result
from jumpset.running.run import Snapshots as Snapshots
from jumpset.running.run import run as run
from jumpset.running.smooth import smooth as smooth
from jumpset.running.tiled import apply_tiled as apply_tiled
from jumpset.running.tiled_files import TiledFile as TiledFile
from jumpset.running.tiled_files import smooth_file as smooth_file
from jumpset.running.warmup import warmup as warmup
from jumpset.running.wrappers import Step as Step
