"""Raw exports to messages.jsonl: find the files, recognise their format, read them, keep them."""
