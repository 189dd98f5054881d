"""Who is told, how and how often. Knows reports and health, not how anything is healed."""
