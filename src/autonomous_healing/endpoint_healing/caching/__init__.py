"""A shared cache by RFC 9111: rules as functions, answers in memory and in a table. Knows no socket."""
