"""Which drafts become pairs, and in which split."""
