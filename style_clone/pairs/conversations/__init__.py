"""Messages in a row become turns, turns become the context of a reply."""
