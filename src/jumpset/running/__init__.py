"""The one loop: runs a method, keeps time, history, limits, checkpoints and batches."""
