"""How the learned methods are trained: pairs, losses, recipes, the loop, export."""
