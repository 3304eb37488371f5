"""What a partition is: the region tree, labels, the best value of each region."""
