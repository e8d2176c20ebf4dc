"""What does the last hidden state keep of a document? (05)"""
