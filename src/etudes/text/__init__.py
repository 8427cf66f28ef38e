"""What two or more language studies share: tokens, vocabularies, batches by length, word vectors, encoders."""
