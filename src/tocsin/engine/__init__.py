"""The engine waits: stages work from database to database, pumps speak to the network."""
