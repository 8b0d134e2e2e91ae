"""style-clone: a person's own writing becomes a small model that writes like them, and proves it."""

__version__ = "0.1.0"
