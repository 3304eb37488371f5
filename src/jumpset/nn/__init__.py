"""What a training loop holds: the loss, the prox layer, controllers of the weight."""
