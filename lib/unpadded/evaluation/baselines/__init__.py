"""What the language model has to beat: words, word vectors, pretrained static vectors."""
