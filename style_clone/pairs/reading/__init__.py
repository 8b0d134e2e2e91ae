"""messages.jsonl as an index, cut into conversations and documents."""
