"""What studies of images share: reading pictures, pretrained networks, features. Needs torch; import it in functions."""
