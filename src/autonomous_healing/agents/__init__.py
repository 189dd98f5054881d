"""Who works round the clock. Thinks in the rooms below; here is only who does what, and when."""
