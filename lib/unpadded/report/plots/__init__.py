"""One module of figures for each kind of result, in one style."""
