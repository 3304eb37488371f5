"""Planted faults, each with the tests that must notice it. `run.py` plants them one at a time in a copy."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One change of one file of src/jumpset."""

    file: str
    old: str  # occurs exactly once in the file
    new: str
    test: str  # FILE::FUNCTION below tests/; one failure is enough


MUTANTS = [
    # regions
    Mutant(
        "kernels/regions/fusion.py",
        "                threshold[j] = 0.0\n                break\n",
        "                break\n",
        "unit/test_region_fusion.py::test_every_pair_is_due_when_it_could_merge",
    ),
    Mutant(
        "kernels/regions/fusion.py",
        "cost[slot[k]] += cost[h]",
        "cost[slot[k]] = cost[h]",
        "unit/test_region_fusion.py::test_kernel_equals_its_definition",
    ),
    Mutant(
        "kernels/regions/merge_tree.py",
        "costs[t] += costs[pools]",
        "costs[t] += 0.0",
        "unit/test_tree.py::test_each_cut_is_the_best_of_the_tree",
    ),
    Mutant(
        "kernels/regions/potts_moves.py",
        "if choices[t] != row[x - 1]:",
        "if False:",
        "unit/test_potts_descent.py::test_pixels_without_a_choice_are_fixed_ends",
    ),
    Mutant(
        "kernels/regions/potts_moves.py",
        "if labels[last, t] != row[x]:",
        "if False:",
        "unit/test_potts_descent.py::test_pixels_without_a_choice_are_fixed_ends",
    ),
    Mutant(
        "kernels/regions/potts_1d.py",
        "errors[k] += max(error, 0.0)",
        "errors[k] = max(error, 0.0)",
        "unit/test_potts_1d.py::test_long_lines_against_the_recursion",
    ),
    # linear systems and filters
    Mutant(
        "kernels/linear/grid_laplacian.py",
        "across[i - 1] * (row[i] - row[i - 1])",
        "across[i] * (row[i] - row[i - 1])",
        "unit/test_linear_smoothers.py::test_grid_solver_equals_dense_algebra",
    ),
    Mutant(
        "kernels/linear/line_solvers.py",
        "one + scale * above[i] * rest[i]",
        "one + above[i] * rest[i]",
        "unit/test_linear_smoothers.py::test_fgs_equals_dense_line_solves",
    ),
    Mutant(
        "kernels/linear/strips.py",
        "spread = 0.5 / (radius * radius)",
        "spread = 0.5 / radius",
        "unit/test_linear_smoothers.py::test_strips_equal_dense_solves",
    ),
    Mutant(
        "kernels/filters/semi_sparsity.py",
        "quarter * around - half * middle",
        "quarter * around - quarter * middle",
        "unit/test_semi_sparsity.py::test_against_dense_algebra",
    ),
    Mutant(
        "kernels/filters/collaborative.py",
        "variance[a + stride, x] = 0.5 * (same - cross)",
        "variance[a + stride, x] = 0.5 * same",
        "unit/test_collaborative.py::test_variances_and_transforms_equal_dense_matrices",
    ),
    # total variation and values of penalties
    Mutant(
        "kernels/tv/dual.py",
        "if square > weight * weight else one",
        "if square > weight else one",
        "unit/test_tv.py::test_gap_is_a_certificate",
    ),
    Mutant(
        "kernels/tv/gap.py",
        "(d * d + r * r) * over - 1.0",
        "(d * d + r * r) * over",
        "unit/test_tv.py::test_gap_is_a_certificate",
    ),
    Mutant(
        "kernels/tv/lines.py",
        "below < -w:",
        "below < -2.0 * w:",
        "unit/test_tv_proxes.py::test_lines_equal_a_box_constrained_solver",
    ),
    Mutant(
        "kernels/values/total_variation_loops.py",
        "squares[k] = factor * weight",
        "squares[k] = weight",
        "unit/test_fused_total_variation.py::test_the_loss_is_the_same",
    ),
    Mutant(
        "kernels/values/sliding_groups_loops.py",
        "total += n - half * n * n / parameter",
        "total += n - n * n / parameter",
        "unit/test_penalties_groups.py::test_sliding_groups_equal_a_loop",
    ),
    # penalties and their proximal operators
    Mutant(
        "penalties/mcp.py",
        "capped * capped / (2 * self.scale)",
        "capped * capped / self.scale",
        "unit/test_penalties_scalar.py::test_values_slopes_and_limits",
    ),
    Mutant(
        "penalties/scad.py",
        "soft = (size - taus)",
        "soft = (size - 2 * taus)",
        "unit/test_penalty_proxes.py::test_scalar_proxes_are_global",
    ),
    Mutant(
        "prox/latent_groups.py",
        "gap <= 0.5 * allowed",
        "gap <= allowed",
        "unit/test_penalty_proxes_solved.py::test_latent_groups_stop_at_half_of_the_gap",
    ),
    Mutant(
        "prox/overlapping_groups.py",
        "primal = 0.5 * _sum((u - f).square())",
        "primal = _sum((u - f).square())",
        "unit/test_penalty_proxes.py::test_group_proxes_equal_an_independent_solver",
    ),
    # methods
    Mutant(
        "smoothers/sg_wls.py",
        "_LEVELS = 255.0",
        "_LEVELS = 256.0",
        "unit/test_linear_smoothers.py::test_sg_wls_step_equals_its_formula",
    ),
    Mutant(
        "smoothers/structure_texture.py",
        "_FUSION_SHARE = 0.7",
        "_FUSION_SHARE = 0.71",
        "unit/test_structure_texture.py::test_the_fourth_step_is_its_formula",
    ),
    Mutant(
        "smoothers/structure_texture.py",
        "_AGREEMENT = 0.5",
        "_AGREEMENT = 0.51",
        "unit/test_structure_texture.py::test_the_fourth_step_is_its_formula",
    ),
    Mutant(
        "smoothers/ils.py",
        "self.epsilon) ** (self.p / 2.0 - 1.0))",
        "self.epsilon) ** (self.p / 2.0))",
        "unit/test_linear_smoothers.py::test_ils_equals_dense_algebra_and_its_energy_never_rises",
    ),
    Mutant(
        "smoothers/fgs.py",
        "4.0 ** (self.n_steps - t)",
        "4.0 ** (self.n_steps - t - 1)",
        "unit/test_linear_smoothers.py::test_fgs_equals_dense_line_solves",
    ),
]
