"""How somebody writes, in plain words, computed from their replies."""
