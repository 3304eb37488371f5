"""Training of the learned methods: pairs, losses, recipes, the loop, and export."""

from jumpset.training._loop import TrainingStep as TrainingStep
from jumpset.training.export import export_onnx as export_onnx
from jumpset.training.recipes import RECIPES as RECIPES
from jumpset.training.recipes import Recipe as Recipe
from jumpset.training.train import Trained as Trained
from jumpset.training.train import train as train
