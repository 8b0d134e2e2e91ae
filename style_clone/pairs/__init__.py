"""messages.jsonl -> pairs/{train,dev,judge,test}.jsonl."""
