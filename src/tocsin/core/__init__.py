"""Product-free foundations: clock, ids, configuration, database, HTTP, crypto, logs, time zones."""
