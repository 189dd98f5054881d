"""Windows in which a provider allows so many calls: what they hold, and what is learned of them."""
