"""Patient one: the data endpoints we depend on. Knows nothing of who asks, or through which door."""
