"""Prompts for documents, written by a model: for each chunk the question it may have answered, and checked that it may."""
