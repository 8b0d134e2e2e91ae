"""Pairs in the formats other tools read: a folder of plain files. Nothing is uploaded."""
