"""Windows in which a provider allows so many calls: when they begin, what they hold, what is learned of them."""
