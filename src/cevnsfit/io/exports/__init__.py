"""Results and likelihoods in the formats of other tools; numbers are computed elsewhere."""
