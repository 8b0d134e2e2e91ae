"""Prose becomes chunks, each with the best prompt there is for it."""
