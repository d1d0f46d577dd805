"""Training a SAM as the paper does (sec. 2 to 4, app. A): losses and the simulated annotator."""
