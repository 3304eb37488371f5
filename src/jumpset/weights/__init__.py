"""Choice of the weight of a penalty or of a method."""

from jumpset.weights.auto import AutoWeight as AutoWeight
from jumpset.weights.auto import auto_weight as auto_weight
from jumpset.weights.auto import estimate_noise as estimate_noise
from jumpset.weights.penalty_weights import weight_for_regions as weight_for_regions
from jumpset.weights.penalty_weights import weight_for_zero_fraction as weight_for_zero_fraction
from jumpset.weights.penalty_weights import weight_from_noise as weight_from_noise
