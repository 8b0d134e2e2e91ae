"""The author's training text -> a retrieval index; facts for a prompt."""
