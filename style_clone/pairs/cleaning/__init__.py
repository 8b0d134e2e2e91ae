"""What in a message is its writer's own words, and what is left out."""
