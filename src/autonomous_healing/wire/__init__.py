"""HTTP/1.1 on both sides, by the letter. Knows nothing of sources, healing or copies."""
