"""What the studies of generated digits share: files, splits, judge, variational autoencoder, scores, panels, predictor."""
