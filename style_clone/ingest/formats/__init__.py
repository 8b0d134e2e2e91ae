"""One module per import format; they never import each other."""
