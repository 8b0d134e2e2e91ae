"""pairs -> adapter."""
